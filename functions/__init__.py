"""Entry points: one file, one deployed function."""
