"""Calls to addresses that merchants name: where they may lead, and how they are made.

Belongs here: looking names up, refusing what is inside, the one POST. Does not: when and what to send.
"""
