"""`stem enqueue` and `stem result`: a job by name from words, and what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin

import click

from stem.cli.find import app_with_tasks, missing_file
from stem.cli.output import Bar, emit, json_text, note, progress
from stem.cli.root import Command, Said, Span, UsageError, said, wait_for
from stem.errors import InvalidArgumentsError, UnknownJobError, hint, nearest
from stem.values import UNSET

if TYPE_CHECKING:
    from pydantic import BaseModel

    from stem.app import Stem
    from stem.core.call import TaskEnqueueBuilder
    from stem.core.context import JobHandle
    from stem.core.task import AnyTask


@click.command(cls=Command, short_help="enqueue a job by the name of its task")
@click.argument("name")
@click.argument("words", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--args", "document", metavar="JSON", help="All arguments as one JSON object; - reads it from stdin.")
@click.option("--wait", is_flag=True, help="Wait for the job and print its result; exit 1 if it did not succeed.")
@click.option("--timeout", type=Span(), help="How long --wait waits; else as long as it takes.")
@click.option("--queue", help="Into this queue.")
@click.option("--priority", type=int, metavar="0..9", help="9 goes first.")
@click.option("--delay", type=Span(), help="Not before this span has passed.")
@click.option("--expires", type=Span(), help="Not after this span has passed.")
@click.option("--id", "job_id", help="The job's id; a second enqueue with the same id makes no second job.")
@click.option("--header", "headers", multiple=True, metavar="K=V", help="A header for the handler; may be repeated.")
@said
def command(
    asked: Said,
    /,
    name: str,
    words: tuple[str, ...],
    document: str | None,
    wait: bool,
    timeout: timedelta | None,
    **options: Any,
) -> None:
    """Enqueue a job by the name of its task.

    KEY=VALUE is an argument of the task: text as it is, everything else as JSON. a.b=1 reaches into a nested model.
    """
    if timeout is not None and not wait:
        raise UsageError("--timeout says how long --wait waits; add --wait")
    app = app_with_tasks(asked)
    task = app.load().get(name)
    given = {**document_of(name, document), **parse(name, task.args_model, words)}
    call = _with_options(app.call(name, given), **options)
    wait_for(_send(app, asked, call, timeout, wait=wait))


def document_of(name: str, text: str | None) -> dict[str, Any]:
    """What --args says, as a mapping; from stdin for '-'."""
    if text is None:
        return {}
    try:
        value = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as fault:
        raise InvalidArgumentsError(name, [f"--args is no JSON: {fault}"]) from None
    except RecursionError:
        from stem.core.sizes import MAX_DEPTH

        raise InvalidArgumentsError(name, [f"--args is nested more than {MAX_DEPTH} deep"]) from None
    if not isinstance(value, dict):
        raise InvalidArgumentsError(name, [f"--args must be a JSON object, found {json.dumps(value)[:80]}"])
    return value


def _with_options(
    call: TaskEnqueueBuilder[Any],
    *,
    queue: str | None,
    priority: int | None,
    delay: timedelta | None,
    expires: timedelta | None,
    job_id: str | None,
    headers: Sequence[str],
) -> TaskEnqueueBuilder[Any]:
    if queue is not None:
        call = call.queue(queue)
    if priority is not None:
        call = call.priority(priority)
    if delay is not None:
        call = call.delay(delay)
    if expires is not None:
        call = call.expires(expires)
    if job_id is not None:
        call = call.id(job_id)
    for header in headers:
        key, equals, value = header.partition("=")
        if not key or not equals:
            raise UsageError(f"--header looks like --header key=value, found {header!r}")
        call = call.header(key, value)
    return call


async def _send(
    app: Stem, asked: Said, call: TaskEnqueueBuilder[Any], patience: timedelta | None, *, wait: bool
) -> None:
    new_file = missing_file(app)
    async with app:
        handle = await app.submit(call)
        task = call.request.task.name
        if new_file:
            note(f"made a new database, {new_file}")
        if call.request.options.queue is not UNSET:
            await _remark_on_unserved(app, str(call.request.options.queue))
        elif not wait:
            await _remark_on_waiting(app, handle.id, alone=False)
        if wait:
            if handle.enqueued != "new":
                note(_words(handle, task))
            await finish(app, asked, handle.id, patience)
        elif asked.json:
            emit({"id": handle.id, "task": task, "enqueued": handle.enqueued})
        else:
            print(_words(handle, task))


def _words(handle: JobHandle[Any], task: str) -> str:
    if handle.enqueued == "held":
        return f"nothing was enqueued: job {handle.id} holds the unique key of this {task}"
    if handle.enqueued == "duplicate":
        return f"nothing was enqueued: there is a job {handle.id} already"
    return f"enqueued {task} as job {handle.id}"


# ---------------------------------------------------------------- waiting


async def finish(app: Stem, asked: Said, job_id: str, patience: timedelta | None) -> None:
    """Print the result as soon as there is one; raises what the job did."""
    handle = app.handle(job_id)
    watching: asyncio.Task[None] | None = None
    with progress(f"job {job_id}", 100) as bar:
        if sys.stderr.isatty():
            watching = asyncio.create_task(_follow(handle, bar))
        try:
            await _remark_on_waiting(app, job_id, alone=True)
            value = await handle.result(patience)
        finally:
            if watching is not None:
                watching.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await watching
    if asked.json:
        emit({"id": job_id, "state": "succeeded", "result": value})
    else:
        print(json_text(value))


async def _follow(handle: JobHandle[Any], bar: Bar) -> None:
    async for job in handle.watch():
        seen = job.progress
        text = f" {seen.message}" if seen is not None and seen.message else ""
        bar.to(0 if seen is None else seen.percent, f"{job.task} {job.state}{text}")


async def _remark_on_unserved(app: Stem, queue: str) -> None:
    """A queue that no worker serves keeps its jobs for ever: say so."""
    served = {name for one in await app.engine.presence.alive() for name in json.loads(one.info).get("queues", ())}
    if served and queue not in served:
        note(f"no worker that is alive serves the queue {queue!r}; {hint(nearest(queue, served), sorted(served))}")


async def _remark_on_waiting(app: Stem, job_id: str, *, alone: bool) -> None:
    """Waiting where no worker lives that knows the task may take for ever: say so. `alone`: also where none lives."""
    from stem.client.known import NOBODY, why_it_waits

    with contextlib.suppress(UnknownJobError):
        job = await app.jobs.get(job_id)
        why = await why_it_waits(app.engine, task=job.task, queue=job.queue, state=job.state)
        if why == NOBODY and alone:
            note("no worker is alive to run it; start one with `stem worker`")
        elif why and why != NOBODY:
            note(why)


# ---------------------------------------------------------------- arguments from words


def parse(
    name: str, model: type[BaseModel], words: Iterable[str], *, what: str = "arguments of task"
) -> dict[str, Any]:
    """`key=value` words as a mapping for the model of task or workflow `name`; InvalidArgumentsError has every fault."""
    given: dict[str, Any] = {}
    problems: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            problems.append(f"expected key=value, found {word!r}")
            continue
        problem = _put(given, model, key.split("."), value)
        if problem:
            problems.append(problem)
    if problems:
        raise InvalidArgumentsError(name, problems, what=what)
    return given


def _put(given: dict[str, Any], model: type[BaseModel], path: list[str], value: str) -> str:
    """Put one value at its place; what is wrong with it, or ''."""
    here: Any = model
    into = given
    for depth, part in enumerate(path):
        known = _names(here)
        name = part
        if known is not None:
            if part not in known:
                return _unknown(".".join(path[: depth + 1]), part, here, list(known))
            name, annotation = known[part]
        else:
            annotation = Any
        if depth == len(path) - 1:
            if name in into:
                return f"{'.'.join(path)} is given twice"
            into[name] = _value(annotation, value, strict=_strict(here))
            return ""
        here = _inner(annotation)
        if here is None:
            return f"{'.'.join(path[: depth + 1])} has no fields inside, so {'.'.join(path)!r} means nothing"
        into = into.setdefault(name, {})
        if not isinstance(into, dict):
            return f"{'.'.join(path[: depth + 1])} is given twice"
    return ""


def _unknown(where: str, part: str, model: Any, known: list[str]) -> str:
    if not known:
        return f"unknown field {where!r}: it takes no arguments"
    return f"unknown field {where!r} of {model.__name__}; {hint(nearest(part, known), known)}"


def _names(model: Any) -> dict[str, tuple[str, Any]] | None:
    """Field -> the name the model reads it by, and its type; None where any name will do."""
    fields = getattr(model, "model_fields", None)
    if fields is None:
        return None
    known: dict[str, tuple[str, Any]] = {}
    for name, field in fields.items():
        alias = field.validation_alias if isinstance(field.validation_alias, str) else field.alias
        known[alias or name] = known[name] = (alias or name, field.annotation)
    open_ended = model.model_config.get("extra") == "allow"
    return _Open(known) if open_ended else known


class _Open(dict[str, tuple[str, Any]]):
    """The fields of a model that takes others, too."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> tuple[str, Any]:
        return key, Any


def _inner(annotation: Any) -> Any:
    """The model or mapping inside an annotation; None when it has no fields."""
    from pydantic import BaseModel

    choices = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    for one in choices:
        origin = get_origin(one) or one
        if isinstance(origin, type) and issubclass(origin, BaseModel | dict):
            return origin
    return object if annotation is Any else None


def _strict(model: Any) -> bool:
    return bool(getattr(model, "model_config", {}).get("strict"))


_NO_JSON: Final = object()


def _value(annotation: Any, text: str, *, strict: bool) -> Any:
    """The text itself where the field takes it, else what it says as JSON; the model has the last word."""
    from pydantic import TypeAdapter, ValidationError

    try:
        meant = json.loads(text)
    except ValueError:
        meant = _NO_JSON
    for candidate in (meant, text) if strict else (text, meant):
        if candidate is _NO_JSON:
            continue
        try:
            TypeAdapter(annotation).validate_python(candidate, strict=strict)
        except ValidationError:
            continue
        return candidate
    return text


# ---------------------------------------------------------------- an example


def sample(tasks: Sequence[AnyTask]) -> str:
    """The words that enqueue the simplest of these tasks, with arguments if one has some: 'hello name=world'; '' when there is none."""
    examples = [words for task in tasks if (words := _sample(task))]
    return (
        min(examples, key=lambda words: ("=" not in words, len(words)))
        if examples
        else (f"{tasks[0].name} --args '{{...}}'" if tasks else "")
    )


_SAMPLES: Final = {str: "world", int: "1", float: "1.5", bool: "true"}


def _sample(task: AnyTask) -> str:
    words = [task.name]
    for name, field in task.args_model.model_fields.items():
        if field.is_required():
            if field.annotation not in _SAMPLES or field.metadata:
                return ""
            words.append(f"{field.alias or name}={_SAMPLES[field.annotation]}")
    return " ".join(words)
