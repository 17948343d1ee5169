"""Catalog: menus, their items and the choices of each; an immutable document per version.

Belongs here: its values, rules, facts and ports, free of I/O. Other services see `facts.py` alone.
"""
