"""Claims: the right to pick up a paid order, proven by a code or QR, redeemed exactly once.

Belongs here: its values, rules, facts and ports, free of I/O. Other services see `facts.py` alone.
"""
