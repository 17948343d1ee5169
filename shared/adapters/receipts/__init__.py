"""How a receipt looks: a page of HTML by jinja2, and the same on paper by fpdf2.

Belongs here: layout, fonts, and how numbers and times are written for people. Does not: what a receipt says
(`shared/orders/get_receipt.py`).
"""
