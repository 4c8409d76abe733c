"""The consumer's side: claiming, running, renewing, settling."""
