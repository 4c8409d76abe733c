"""What every engine promises, one role a file. A docstring here is the guarantee; the suites in
`stem.testing.contracts` hold each engine to it.

Common to all roles: an engine works in one namespace and nothing leaks into another; `now` is the store's own clock
plus the engine's `skew_ms` (0 in production, moved by tests); every method is one atomic step; an engine that cannot
be reached raises EngineUnavailableError and has then changed nothing or everything, never half.
"""
