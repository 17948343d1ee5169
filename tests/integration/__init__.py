"""Against the real engines, from the same launcher as `make run`."""
