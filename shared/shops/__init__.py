"""Shops: where coffee is sold, when, and how the shop is paid.

Belongs here: its values, rules, facts and ports, free of I/O. Other services see `facts.py` alone.
"""
