"""Wallets: who people are (sign-in with Ethereum) and the keys of their staff.

Belongs here: its values, rules, facts and ports, free of I/O. Other services see `facts.py` alone.
"""
