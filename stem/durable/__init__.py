"""Workflow runs in a worker's hands, and from the outside: the only place that knows how replay is carried out."""
