"""The floors that are servers: a bare ASGI application, and the smallest function there can be."""
