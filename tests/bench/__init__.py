"""The table of figures: everything measured against a floor that is measured in the same run, in turns with it.

Belongs here: rows, what they stand on (`ground.py`), the load (`load.py`), the table (`report.py`). A row is one file
with `rows(ground)`; docs/benchmarks.md says what each one means. `make bench` runs all of them, `--quick` just tries.
"""
