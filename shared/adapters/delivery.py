"""What every way out of the outbox may refuse with."""


class Undelivered(Exception):
    """Some of a batch did not arrive in time. Nothing of it is sent any more; all of it may be repeated."""
