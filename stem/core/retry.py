"""Whether a failed attempt is followed by another, and after how long."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, Literal, TypeAlias

import msgspec

from stem.core.duration import Duration, milliseconds, span
from stem.errors import ConfigError

#: An exception class, or its name: "CardDeclined" or "shop.errors.CardDeclined".
ErrorName: TypeAlias = type[BaseException] | str

#: As the reference system: first wait up to 2 s, never more than 5 minutes.
_BASE: Final = "2s"
_LONGEST: Final = "5m"


class RetryPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """How long to wait between attempts, and which errors are worth one.

    Made by `RetryPolicy.exponential(...)` or `RetryPolicy.fixed(...)`. How many retries there are is `max_retries`.
    Names stand for classes here, so that a policy can travel with a job: an error matches when its class or one
    of its bases has that bare or dotted name.
    """

    kind: Literal["exponential", "fixed"]
    base_ms: int
    longest_ms: int
    retry_on: tuple[str, ...] = ()
    give_up_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("exponential", "fixed"):
            raise ConfigError(f"a retry policy is 'exponential' or 'fixed', found {self.kind!r}")
        if not _whole(self.base_ms) or not _whole(self.longest_ms) or not 0 <= self.base_ms <= self.longest_ms:
            raise ConfigError(
                f"a retry policy waits whole milliseconds with 0 <= base_ms <= longest_ms, "
                f"found base_ms={self.base_ms!r}, longest_ms={self.longest_ms!r}"
            )
        for what, names in (("retry_on", self.retry_on), ("give_up_on", self.give_up_on)):
            if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
                raise ConfigError(f"{what} of a retry policy must be a tuple of class names, found {names!r}")

    @classmethod
    def exponential(
        cls,
        *,
        base: Duration = _BASE,
        longest: Duration = _LONGEST,
        retry_on: Iterable[ErrorName] | ErrorName = (),
        give_up_on: Iterable[ErrorName] | ErrorName = (),
    ) -> RetryPolicy:
        """Full jitter: a uniform wait in [0, base * 2**(attempt-1)], never over `longest`."""
        base_ms = milliseconds(base, what="retry base", minimum=1)
        longest_ms = milliseconds(longest, what="retry longest", minimum=base_ms)
        return cls("exponential", base_ms, longest_ms, _names(retry_on), _names(give_up_on))

    @classmethod
    def fixed(
        cls,
        wait: Duration,
        *,
        retry_on: Iterable[ErrorName] | ErrorName = (),
        give_up_on: Iterable[ErrorName] | ErrorName = (),
    ) -> RetryPolicy:
        """The same wait before every retry."""
        ms = milliseconds(wait, what="retry wait")
        return cls("fixed", ms, ms, _names(retry_on), _names(give_up_on))


def backoff(policy: RetryPolicy, attempt: int, *, jitter: float) -> timedelta:
    """Wait before the attempt after `attempt`; whether there is one is `worth_retrying`'s affair.

    `attempt` counts from 1 (the one that just failed). `jitter` is uniform in [0, 1) and supplied by the caller,
    so that equal inputs give equal waits: full jitter in [0, base * 2**(attempt-1)], capped at `longest`.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return span(backoff_ms(policy, attempt, jitter=jitter))


def backoff_ms(policy: RetryPolicy, attempt: int, *, jitter: float) -> int:
    """`backoff` in whole milliseconds."""
    if policy.kind == "fixed":
        return policy.base_ms
    # the shift is bounded, or attempt 10,000 would build a number of 10,000 bits
    ceiling = min(policy.longest_ms, policy.base_ms << min(attempt - 1, 64))
    return int(ceiling * jitter)


def worth_retrying(policy: RetryPolicy, *, attempt: int, max_retries: int, names: Iterable[str]) -> bool:
    """Whether attempt number `attempt`, failed with an error of these class `names`, is followed by another.

    `give_up_on` wins over `retry_on`; an empty `retry_on` means every error.
    """
    known = frozenset(names)
    if attempt > max_retries or known.intersection(policy.give_up_on):
        return False
    return not policy.retry_on or bool(known.intersection(policy.retry_on))


def error_names(kind: type[BaseException]) -> tuple[str, ...]:
    """The bare and dotted names of an error's class and its bases, most derived first."""
    names: list[str] = []
    for base in kind.__mro__[:-1]:
        names += (base.__name__, f"{base.__module__}.{base.__qualname__}")
    return tuple(names)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _names(errors: Iterable[ErrorName] | ErrorName) -> tuple[str, ...]:
    if isinstance(errors, str | type) or not isinstance(errors, Iterable):
        errors = (errors,)
    return tuple(_name(error) for error in errors)


def _name(error: ErrorName) -> str:
    if isinstance(error, str):
        return error
    if isinstance(error, type) and issubclass(error, BaseException):
        return f"{error.__module__}.{error.__qualname__}"
    raise ConfigError(f"retry_on and give_up_on take exception classes or their names, found {error!r}")


#: What holds unless a task, queue or call says otherwise.
DEFAULT_POLICY: Final = RetryPolicy.exponential()
