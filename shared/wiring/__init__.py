"""Composition: each module builds the ports of one service (or of the edge) from settings, once per process, lazily.

Belongs here: the choice of adapters. Does not: rules, SQL, HTTP. Nothing is opened at import.
"""
