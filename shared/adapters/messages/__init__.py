"""The words of messages: one file of texts per language, one frame for e-mails, rendered by jinja2.

Belongs here: words and how they look. Does not: which message is sent when (`shared/notifications/messages.py`).
"""
