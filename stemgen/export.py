"""The lock as documents that other languages read."""

from __future__ import annotations

from typing import Any, Final

from stem.core.full_schema import BEYOND
from stemgen.lock import Lock, TaskLock

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_ASYNCAPI: Final = "3.0.0"


def json_schema(lock: Lock) -> dict[str, Any]:
    """One JSON Schema with the arguments and the result of every task under `$defs`, as `orders.charge.arguments`."""
    made = {name: part for task, one in lock.tasks.items() for name, part in _parts(task, one)}
    return {"$schema": _DRAFT, "$defs": _joined(made)}


def asyncapi(lock: Lock, title: str) -> dict[str, Any]:
    """An AsyncAPI document: a channel for each queue, an operation for each task, which replies with its result."""
    made = {name: part for task, one in lock.tasks.items() for name, part in _parts(task, one)}
    queues = sorted({one.queue for one in lock.tasks.values()})
    return {
        "asyncapi": _ASYNCAPI,
        "info": {"title": title, "version": lock.digest},
        "channels": {queue: _channel(queue, lock) for queue in queues} | {"results": _results(lock)},
        "operations": {task: _operation(task, one) for task, one in sorted(lock.tasks.items())},
        "components": {"schemas": _joined(made, at="#/components/schemas/")},
    }


def _channel(queue: str, lock: Lock) -> dict[str, Any]:
    messages = {
        task: {"name": task, "payload": {"$ref": f"#/components/schemas/{task}.arguments"}}
        for task, one in sorted(lock.tasks.items())
        if one.queue == queue
    }
    return {"address": queue, "messages": messages}


def _results(lock: Lock) -> dict[str, Any]:
    messages = {
        task: {"name": f"{task}.result", "payload": {"$ref": f"#/components/schemas/{task}.result"}}
        for task in sorted(lock.tasks)
    }
    return {"address": None, "messages": messages}


def _operation(task: str, one: TaskLock) -> dict[str, Any]:
    channel = one.queue.replace("~", "~0").replace("/", "~1")
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{task}"}],
        "reply": {
            "channel": {"$ref": "#/channels/results"},
            "messages": [{"$ref": f"#/channels/results/messages/{task}"}],
        },
    }


def _parts(task: str, one: TaskLock) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{task}.arguments", one.args), (f"{task}.result", one.result)]


def _joined(schemas: dict[str, dict[str, Any]], at: str = "#/$defs/") -> dict[str, Any]:
    """Schemas side by side; what each has under its own `$defs` stands beside it, under its name."""
    made: dict[str, Any] = {}
    for name, schema in sorted(schemas.items()):
        made[name] = _moved({key: part for key, part in schema.items() if key != "$defs"}, name, at)
        for inner, part in schema.get("$defs", {}).items():
            made[f"{name}.{inner}"] = _moved(part, name, at)
    return made


def _moved(schema: Any, name: str, at: str) -> Any:
    """The schema with its references led to where their targets stand now."""
    if isinstance(schema, list):
        return [_moved(part, name, at) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"{at}{name}.{part.rpartition('/')[2]}"
        if key == "$ref" and isinstance(part, str)
        else _moved(part, name, at)
        for key, part in schema.items()
        if key != BEYOND  # nobody else reads it
    }
