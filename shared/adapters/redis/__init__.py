"""The region's Redis: a versioned cache, the geo index of shops, rate limits. Down means slower, never wrong."""
