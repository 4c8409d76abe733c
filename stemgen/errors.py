"""What stemgen tells its user."""

from __future__ import annotations


class StemgenError(Exception):
    """Something to mend, in words: what was expected, what was found, what to do."""


class AppError(StemgenError):
    """The app cannot be imported."""
