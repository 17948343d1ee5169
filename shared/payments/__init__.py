"""Payments: an address of its own per payment, watched on chain, settled by confirm_block alone.

Belongs here: its values, rules, facts and ports, free of I/O. Other services see `facts.py` alone.
"""
