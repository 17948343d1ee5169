"""The web side of a function: requests, replies, problems, who is calling, telemetry, and what the image runs.

Belongs here: everything that knows HTTP, CloudEvents or tokens. Does not: rules of a service, SQL, clients of stores
(they come in through `ports.Gateway`). Nothing is opened, read or compiled at import: the first call does it.
"""
