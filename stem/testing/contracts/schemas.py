"""Schemas by digest."""

from __future__ import annotations

import asyncio

from stem.contracts.engine import Engine
from stem.testing.contracts import Contract, EngineFactory


class SchemasContract(Contract):
    """Documents that never change."""

    async def test_a_document_is_kept_as_it_was_first_published(self, engine: Engine, other: Engine) -> None:
        """Checklist: 2."""
        assert await engine.schemas.publish("d1", b"\x00first")
        assert not await other.schemas.publish("d1", b"second")
        assert await other.schemas.get("d1") == b"\x00first"
        assert await engine.schemas.get("unknown") is None

    async def test_digests_are_listed_in_order(self, engine: Engine) -> None:
        for digest in ("b", "c", "a"):
            await engine.schemas.publish(digest, b"")
        assert await engine.schemas.digests() == ["a", "b", "c"]

    async def test_one_of_many_who_publish_at_the_same_time_was_first(self, engine: Engine, other: Engine) -> None:
        """Checklist: 2."""
        answers = await asyncio.gather(*(one.schemas.publish("d", b"same") for one in (engine, other) * 5))
        assert answers.count(True) == 1


class DurableSchemasContract(Contract):
    """For engines whose store outlives them."""

    async def test_documents_survive_a_restart(self, engine: Engine, engines: EngineFactory) -> None:
        """Checklist: 39."""
        await engine.schemas.publish("d", b"document")
        await engine.close()
        assert await (await engines.make()).schemas.get("d") == b"document"
