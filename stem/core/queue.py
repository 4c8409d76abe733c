"""What an app says of a queue: defaults for tasks that say nothing themselves."""

from __future__ import annotations

from stem.core.duration import Duration
from stem.core.options import Options, layer, queue_name
from stem.core.retry import RetryPolicy
from stem.values import UNSET, Unset


class Queue:
    """A named line with defaults: `Stem(queues=[Queue("payments", priority=5, max_retries=10)])`."""

    __slots__ = ("name", "options")

    def __init__(
        self,
        name: str,
        *,
        priority: int | Unset = UNSET,
        max_retries: int | Unset = UNSET,
        retry: RetryPolicy | Unset = UNSET,
        soft_time_limit: Duration | Unset | None = UNSET,
        time_limit: Duration | Unset | None = UNSET,
        visibility_timeout: Duration | Unset = UNSET,
        expires: Duration | Unset | None = UNSET,
        result_ttl: Duration | Unset = UNSET,
    ) -> None:
        self.name = queue_name(name)
        self.options: Options = layer(
            priority=priority,
            max_retries=max_retries,
            retry=retry,
            soft_time_limit=soft_time_limit,
            time_limit=time_limit,
            visibility_timeout=visibility_timeout,
            expires=expires,
            result_ttl=result_ttl,
        )
