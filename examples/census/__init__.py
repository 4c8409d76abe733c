"""A census of the standard library: one job for every module. Run it with `python -m examples.census`."""
