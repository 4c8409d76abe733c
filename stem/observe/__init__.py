"""Looking on: signals to observers, middleware around jobs, logs."""
