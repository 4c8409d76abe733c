"""What a change of the app would break: jobs already queued, and results that somebody waits for."""
