"""Notifications: what people are told, where, and in what language.

Belongs here: its values, rules, facts and ports, free of I/O. Other services see `facts.py` alone.
"""
