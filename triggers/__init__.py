"""The registry: every operation with its trigger, declared once in `<service>.yaml`, and the programs that act on it.

Belongs here: the registry, its check and its generators; relay, dispatcher and ticker, which move what it declares.
Does not: rules of an operation, SQL, anything about one service.
"""
