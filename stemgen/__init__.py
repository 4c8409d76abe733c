"""stemgen: a producer package that type checkers hold against the app, and the checks before a deploy."""
