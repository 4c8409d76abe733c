"""Leases: who ends a delivery, when to renew, and when a worker must stop by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

#: How long a delivery is held unless the task says otherwise. As the reference system and SQS.
DEFAULT_LEASE_MS: Final = 30_000
#: Leases a job may lose in a row before it is flagged as lost. Sidekiq's poison pill: 3, SQS default in guides: 5.
DEFAULT_MAX_LOSSES: Final = 5
#: Shortest lease accepted: below it renewals would be the main traffic.
SHORTEST_LEASE_MS: Final = 200
#: Sleep between two looks at an empty store, ms: a bell that was lost, with a process that died while it was rung, costs
#: no more than this.
SAFETY_MS: Final = 18_000

#: Leases are not renewed more often than this.
SHORTEST_RENEWAL_MS: Final = 50
#: The renewal thread looks at least so often, so a lease is not doubted for longer than a renewal and this.
LONGEST_DOUBT_MS: Final = 500

#: What is known of the holder of a lease: nothing, that it renews, or that it should have.
UNKNOWN, RENEWS, DOUBTED = 0, 1, 2

#: Why a claim hands out a job that must not run, only be settled.
Ended: TypeAlias = Literal["expired", "lost"]


def ended(*, losses: int, max_losses: int, expires_at_ms: int | None, now_ms: int) -> Ended | None:
    """The flag a claim puts on a delivery: too many lost leases in a row, or past its expiry; None: run it."""
    if losses >= max_losses:
        return "lost"
    if expires_at_ms is not None and expires_at_ms <= now_ms:
        return "expired"
    return None


def renew_every_ms(lease_ms: int) -> int:
    """How often a lease is renewed: a third of it, so that two renewals may fail before it ends."""
    return max(SHORTEST_RENEWAL_MS, lease_ms // 3)


def doubt_ms(lease_ms: int) -> int:
    """How long a lease that has ended is doubted, once, when its holder renews its leases.

    The store's clock may have been set forward: then all leases end at once, and those who live have not been heard of.
    Each renews within this time: see `renew_every_ms`, and the renewal thread looks twice as often, and every half second.
    """
    return renew_every_ms(lease_ms) + min(LONGEST_DOUBT_MS, renew_every_ms(lease_ms) // 2)


def stop_by(asked_at: float, lease_ms: int) -> float:
    """Monotonic instant at which a worker that could not renew must stop the attempt itself.

    `asked_at` is read before the claim or renewal was sent, so the store's deadline is never earlier; a tenth of
    the lease is kept as margin for the stop itself.
    """
    return asked_at + lease_ms * 0.9 / 1000


def look_every_ms(leases: Iterable[int]) -> int:
    """How often a worker that sleeps looks at least, ms, give or take a fifth.

    Nobody rings when a lease begins. One that began while this worker slept must be seen before it can end, so that
    its job is taken over at that moment: within the shortest lease.
    """
    return min([SAFETY_MS, *(one * 5 // 6 for one in leases)])
