"""A call: a task with bound arguments, not yet sent."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec
from pydantic import BaseModel

from stem.core.canvas import Composable
from stem.core.context import Enqueuer, JobHandle
from stem.core.duration import Duration, instant_ms, milliseconds
from stem.core.options import NOTHING_SAID, Options, layer, no_hard_limit, unique_rule
from stem.core.paths import check_unique_path
from stem.core.retry import RetryPolicy
from stem.core.sizes import check_header
from stem.core.unique import Unique
from stem.errors import ConfigError
from stem.values import UNSET, Unset, is_text

if TYPE_CHECKING:
    from stem.core.task import AnyTask

R_co = TypeVar("R_co", covariant=True)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a call holds; a new one is made for every change."""

    task: AnyTask
    args: BaseModel
    id: str = ""
    options: Options = NOTHING_SAID
    headers: dict[str, str] = {}
    meta: dict[str, object] = {}
    delay_ms: int = 0
    eta_ms: int | None = None
    unique: Unique | Unset | None = UNSET
    unique_key: str = ""
    limit_key: str | None = None


class TaskEnqueueBuilder(Composable[object, R_co]):
    """An immutable call: every method returns a new one, so a half-built call can be shared.

    It is not awaitable; `.enqueue(app)` is a coroutine, so that a forgotten await is a type error.
    """

    __slots__ = ("request",)

    def __init__(self, request: Request) -> None:
        self.request = request

    def __repr__(self) -> str:
        return f"<call of {self.request.task.name} with {self.request.args!r}>"

    def enqueue(self, app: Enqueuer) -> Coroutine[object, None, JobHandle[R_co]]:
        """Send it; the handle gives the result. Raises UniqueConflictError, PayloadTooLargeError."""
        return app.submit(self)

    def id(self, value: str) -> Self:
        """Use this id: a second enqueue with the same id makes no second job."""
        fits = isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable() and value == value.strip()
        if not fits:
            raise ConfigError(
                f"a job id must be 1 to 200 printable characters, blanks not at its ends, found {value!r}"
            )
        return self._with(id=value)

    def header(self, key: str, value: str) -> Self:
        """Add one text header; handlers read it in `ctx.headers`."""
        if not is_text(key) or not is_text(value):
            raise ConfigError(f"a header is text to text, found {key!r}: {value!r}")
        check_header(key, value)
        return self._with(headers={**self.request.headers, key: value})

    def meta(self, key: str, value: object) -> Self:
        """Add one piece of JSON metadata; handlers read it in `ctx.meta`."""
        if not is_text(key):
            raise ConfigError(f"the name of metadata must be text, found {key!r}")
        return self._with(meta={**self.request.meta, key: _as_handler_sees(key, value)})

    def queue(self, name: str) -> Self:
        """Send it to this queue."""
        return self._say(layer(queue=name), "queue")

    def priority(self, value: int) -> Self:
        """0 (lowest) to 9."""
        return self._say(layer(priority=value), "priority")

    def delay(self, by: Duration) -> Self:
        """Not before `by` from the enqueue; the last of `delay` and `eta` wins."""
        return self._with(delay_ms=milliseconds(by, what="delay"), eta_ms=None)

    def eta(self, at: datetime) -> Self:
        """Not before this instant (aware)."""
        return self._with(eta_ms=instant_ms(at, what="eta"), delay_ms=0)

    def expires(self, after: Duration | None) -> Self:
        """Not after this span from the enqueue; None: never, whatever the task says."""
        return self._say(layer(expires=after), "expires_ms")

    def retries(self, most: int, policy: RetryPolicy | Unset = UNSET) -> Self:
        """At most this many retries, and with `policy`, when given."""
        said = layer(max_retries=most, retry=policy)
        task = self.request.task
        if task.options.at_most_once and most > 0:
            raise ConfigError(f"task {task.name!r} says at_most_once, so a call of it cannot have retries({most})")
        return self._say(said, "max_retries", *(() if isinstance(policy, Unset) else ("retry",)))

    def time_limit(self, hard: Duration | None = None, *, soft: Duration | None = None) -> Self:
        """Limits of each attempt; None: no limit, whatever the task says. A plain def takes no hard one."""
        if hard is not None and self.request.task.is_plain:
            raise ConfigError(no_hard_limit(self.request.task.name))
        return self._say(layer(time_limit=hard, soft_time_limit=soft), "hard_ms", "soft_ms")

    def unique(self, rule: Unique | None, *, key: str = "") -> Self:
        """Hold this rule, with a computed `key` if given; None: no uniqueness, whatever the task says."""
        task = self.request.task
        unique_rule(rule)
        if not is_text(key):
            raise ConfigError(f"unique(key=) must be text, found {key!r}")
        if rule is None and key:
            raise ConfigError(f"unique(None) takes the rule away, so key={key!r} would be of no use")
        if rule is not None and rule.key is not None:
            check_unique_path(task.args_model, rule.key, f"unique of a call of {task.name!r}")
        return self._with(unique=rule, unique_key=key)

    def limit_key(self, value: str) -> Self:
        """Count this call under `value` in the task's rate and concurrency limits."""
        if not is_text(value):
            raise ConfigError(f"a limit key must be text, found {value!r}")
        return self._with(limit_key=value)

    def _say(self, said: Options, *fields: str) -> Self:
        told = {name: getattr(said, name) for name in fields}
        return self._with(options=msgspec.structs.replace(self.request.options, **told))

    def _with(self, **changes: object) -> Self:
        return type(self)(msgspec.structs.replace(self.request, **changes))


def _as_handler_sees(key: str, value: object) -> object:
    """A copy of plain JSON, safe from later changes; ConfigError when it would not arrive as it is."""
    try:
        seen: object = msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as fault:
        raise ConfigError(f"metadata {key!r} must be plain JSON: {fault}") from None
    if seen != value:
        raise ConfigError(f"metadata {key!r} must be plain JSON: {value!r} would arrive as {seen!r}")
    return seen
