"""Price feeds over HTTP: each exchange's own paths, answers and errors, turned into readings."""
