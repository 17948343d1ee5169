"""Google Pub/Sub: work goes in here from the outbox alone, and is pushed to one function per topic.

The libraries take a quarter of a second to import: only the relay and the local set-up import this package.
"""
