"""Supply: what a shop has in stock, what orders hold of it, what was used.

Belongs here: its values, rules, facts and ports, free of I/O. Other services see `facts.py` alone.
"""
