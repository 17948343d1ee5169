"""The whole platform on one machine, without containers.

Belongs here: one small file per engine or emulator, the launcher that starts them together, and what
only a developer's machine needs (set-up, seeds, demo). Nothing here is imported by the product.
"""
