"""Values and decisions without time, chance or I/O: all of those come in as arguments."""
