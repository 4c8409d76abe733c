"""Renewals from the renewal thread: they share the writing thread, so they never fight it for the lock."""

from __future__ import annotations

from collections.abc import Sequence

from stem.contracts.broker import Held, Renewal
from stem.sqlite.ending import renew
from stem.sqlite.store import Store
from stem.sqlite.workflows import renew as renew_runs


class SqliteRenewals:
    """The RenewalLine of a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def renew(self, batch: Sequence[Renewal]) -> list[Held]:
        return self._store.write_blocking(lambda step: [renew(step, one) for one in batch])

    def renew_runs(self, batch: Sequence[Renewal]) -> list[Held]:
        return self._store.write_blocking(lambda step: renew_runs(step, batch))

    def close(self) -> None:
        """Nothing to let go of: the thread is the store's."""
