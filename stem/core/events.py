"""Events as users declare them: a topic that everybody sees, a mailbox of one run; typed at both ends by one line."""

from __future__ import annotations

import functools
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

import msgspec
from typing_extensions import TypeForm

from stem.core.carried import uncarried
from stem.core.codec import EncodeError, ResultCodec
from stem.core.duration import Duration, milliseconds
from stem.core.options import checked, stub_name, text
from stem.core.run import EVENT_TTL_MS, Event, Message, event_topic
from stem.core.task import name_problems
from stem.errors import ConfigError, InvalidArgumentsError

if TYPE_CHECKING:
    from stem.core.run_context import WorkflowClient
    from stem.core.workflow import WorkflowCall

E = TypeVar("E")


class Timeout(msgspec.Struct, frozen=True):
    """What a wait gives when nothing came in time: not an error, and not the same as a payload of None."""

    def __bool__(self) -> Literal[False]:
        return False


TIMED_OUT: Final = Timeout()


class _Payload(Generic[E]):
    """What both kinds of event have: a name, and a payload that JSON can carry."""

    def __init__(self, name: str, *, payload: TypeForm[E], stub: str = "") -> None:
        problems = name_problems(name, f"a {type(self).__name__.lower()}")
        try:
            problems += uncarried(ResultCodec(payload).schema, f"the payload of {name!r}")
        except Exception as fault:
            problems.append(f"the payload of {name!r} cannot be carried by JSON: {str(fault).partition(chr(10))[0]}")
        named = checked(problems, "", stub_name, stub)
        if problems:
            raise ConfigError(problems)
        self.name, self.payload, self.stub = name, payload, named

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.name}>"

    @functools.cached_property
    def codec(self) -> ResultCodec:
        """How payloads become bytes."""
        return ResultCodec(self.payload)

    def encode(self, value: E) -> bytes:
        """The payload as JSON; InvalidArgumentsError when it is not what was declared."""
        try:
            return self.codec.encode(value)
        except EncodeError as fault:
            raise InvalidArgumentsError(self.name, [str(fault)], what="the payload of event") from None


class Topic(_Payload[E]):
    """Something that happened, by `key`: every run that waits for it sees it, now or within `ttl`; the first emit wins.

    `Topic("order.shipped", payload=Shipment)`; runs wait with `ctx.wait(order_shipped, key=order.id)`.
    """

    def __init__(self, name: str, *, payload: TypeForm[E], ttl: Duration = EVENT_TTL_MS / 1000, stub: str = "") -> None:
        super().__init__(name, payload=payload, stub=stub)
        self.ttl_ms = milliseconds(ttl, what="ttl of a topic", minimum=1)

    def event(self, value: E, *, key: str = "", id: str = "") -> Event:  # noqa: A002 - as with jobs
        """The event as it travels."""
        return Event(
            topic=event_topic(self.name, text(key, "the key of an event")),
            payload=self.encode(value),
            id=text(id, "the id of an event"),
            ttl_ms=self.ttl_ms,
        )

    def emit(self, app: WorkflowClient, value: E, *, key: str = "", id: str = "") -> Coroutine[object, None, bool]:  # noqa: A002
        """Tell everybody who waits, or will wait within `ttl`. False: it has been emitted before, and that one stays.

        All waiting runs are woken before this returns; should the caller die half-way, any worker wakes the rest.
        """
        return app.emit_event(self.event(value, key=key, id=id))


class Mailbox(_Payload[E]):
    """Messages for one run alone, each read once, in the order in which they came.

    `Mailbox("approval", payload=Approval)`; the run reads with `ctx.wait(approval)`.
    """

    def message(self, run: str, value: E, *, id: str = "") -> Message:  # noqa: A002
        """The message as it travels."""
        return Message(run=run, box=self.name, payload=self.encode(value), id=text(id, "the id of a message"))

    def send(
        self,
        app: WorkflowClient,
        run: str,
        value: E,
        *,
        id: str = "",  # noqa: A002
        start: WorkflowCall[Any] | None = None,
    ) -> Coroutine[object, None, bool]:
        """Put it into the run's mailbox, read yet or not. False: a message of this `id` came before.

        UnknownRunError, RunEndedError when nobody would read it. With `start` the run is begun in the same step when it
        is not there; the call's own id is not looked at.
        """
        return app.send_message(self.message(run, value, id=id), start)
