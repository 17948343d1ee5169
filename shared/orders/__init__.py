"""Orders: from placed to completed; priced on the server, stock reserved in the same commit.

Belongs here: its values, rules, facts and ports, free of I/O. Other services see `facts.py` alone.
"""
