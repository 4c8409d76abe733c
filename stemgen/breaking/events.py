"""The events of two locks: whether what is emitted with the old one is read with the new one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from stemgen.breaking.report import Compat, Report, in_order, of_new, reports
from stemgen.breaking.subset import Finding, received
from stemgen.config import Allowed
from stemgen.lock import EventLock, Lock


def compare_events(
    old: Iterable[EventLock], new: Lock, *, compat: Compat = "queue", allow: Iterable[Allowed] = ()
) -> list[Report]:
    """What the newer one changes, errors first, by name."""
    return in_order([report for was in old for report in _event(was, new, compat)], allow)


def _event(old: EventLock, new: Lock, compat: Compat) -> Iterator[Report]:
    now = new.events.get(f"{old.kind}:{old.name}")
    if now is None:
        yield Report("error", "EVENT_REMOVED", old.name, "", "$", _gone(old, new))
        return
    part = f"payload of the {old.kind}"
    before, after = (old.payload, old.reads), (now.payload, now.reads)
    found = [_of_payload(one) for one in received(before, after)]
    yield from reports(old.name, part, found)
    if compat == "full":
        others = [of_new(one) for one in received(after, before)]
        yield from reports(old.name, f"{part} of new producers", map(_of_payload, others))


def _gone(old: EventLock, new: Lock) -> str:
    other = "mailbox" if old.kind == "topic" else "topic"
    now = f", which is a {other} now" if f"{other}:{old.name}" in new.events else ""
    return (
        f"nobody waits any more for this {old.kind}{now}: what is sent to it reaches nobody, and runs may wait for it"
    )


def _of_payload(one: Finding) -> Finding:
    """Whatever refuses a payload has one rule; its text says why."""
    text = one.text.replace("jobs already queued", "payloads already emitted")
    if one.level == "warning":
        return msgspec.structs.replace(one, text=text)
    return Finding(one.level, "EVENT_PAYLOAD", one.path, f"whoever waits could not read it: {text}")
