"""The producer's side: sending calls, watching jobs, steering queues."""
