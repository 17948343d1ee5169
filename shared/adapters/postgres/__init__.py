"""Postgres by pg8000: connections, the one-statement append, every SQL text and every migration of the platform."""
