"""Members arriving at their group, and its callback."""

from __future__ import annotations

from typing import Final

import msgspec

from stem.contracts.groups import Member
from stem.core.envelope import Submission
from stem.core.group import verdict
from stem.sqlite.line import publish
from stem.sqlite.step import Step

_ARRIVE: Final = """
UPDATE grp_member SET ok = ?4, value = ?5 WHERE ns = ?1 AND grp = ?2 AND id = ?3 AND ok IS NULL
AND EXISTS (SELECT 1 FROM grp WHERE ns = ?1 AND id = ?2 AND expires_at > ?6)"""

encode_callback: Final = msgspec.msgpack.Encoder().encode
_decode_callback: Final = msgspec.msgpack.Decoder(Submission).decode


def arrive(step: Step, group_id: str, member: Member) -> None:
    """Count one member, once, and fire when all are there."""
    row = (step.ns, group_id, member.id, member.ok, member.value, step.now)
    if not step.execute(_ARRIVE, row).rowcount:
        return
    counted = "UPDATE grp SET arrived = arrived + 1, failed = failed + ? WHERE ns = ? AND id = ?"
    step.execute(counted, (not member.ok, step.ns, group_id))
    fire_if_complete(step, group_id)


def fire_if_complete(step: Step, group_id: str) -> None:
    """Publish the callback of a group that has all it waits for."""
    query = "SELECT total, arrived, failed, collect, fired FROM grp WHERE ns = ? AND id = ?"
    total, arrived, failed, collect, fired = step.execute(query, (step.ns, group_id)).fetchone()
    if fired or verdict(total=total, arrived=arrived, failed=failed, collect=bool(collect)) != "fire":
        return
    step.execute("UPDATE grp SET fired = 1 WHERE ns = ? AND id = ?", (step.ns, group_id))
    (callback,) = step.execute("SELECT callback FROM grp WHERE ns = ? AND id = ?", (step.ns, group_id)).fetchone()
    if callback is not None:
        publish(step, [_decode_callback(callback)])
