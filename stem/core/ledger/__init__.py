"""How runs move from state to state: written once, over rows that an engine reads and writes in one atomic step.

Memory and SQLite give it their rows; scripts on a server mirror it, and the same state machine holds all of them.
"""
