"""The service that does the work."""
