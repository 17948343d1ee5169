"""What two services need: money, ids, clock, errors, facts, decisions, replies.

Belongs here: pure values and rules used by more than one service. Does not: I/O, the web, a database, anything
one service alone needs. Only the standard library, pydantic and msgspec are imported.
"""
