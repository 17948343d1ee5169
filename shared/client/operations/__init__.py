"""One function for each route of the API. Written by `python -m triggers docs`; not to be edited."""
