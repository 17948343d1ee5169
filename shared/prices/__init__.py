"""Prices: rates from several feeds, their median, and quotes locked from them.

Belongs here: its values, rules, facts and ports, free of I/O. Other services see `facts.py` alone.
"""
