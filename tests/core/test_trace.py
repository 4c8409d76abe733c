"""Tracebacks of users' errors: their own frames, and none of stem's."""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import Callable
from traceback import FrameSummary

from hypothesis import given
from hypothesis import strategies as st

import stem
from stem import NoArgs, Stem, StepFailed, WorkflowContext, task, workflow
from stem.core.trace import traceback_text, users_frames

HOME = stem.__file__.removesuffix("__init__.py")


def frame(path: str) -> FrameSummary:
    return FrameSummary(path, 1, "f", lookup_line=False, line="pass")


def whose(frames: list[FrameSummary]) -> str:
    """'s' for stem, 'l' for the standard library, 'u' for users' code."""
    return "".join("s" if one.filename.startswith(HOME) else "l" if one.filename == LIBRARY else "u" for one in frames)


LIBRARY = asyncio.__file__
PLACES = {"s": f"{HOME}worker/drive.py", "l": LIBRARY, "u": "/srv/shop.py"}


@given(st.text(alphabet="slu", max_size=12), st.booleans())
def test_stems_frames_go_and_all_of_the_user_stay(frames: str, on_purpose: bool) -> None:
    kept = whose(users_frames([frame(PLACES[one]) for one in frames], on_purpose=on_purpose))
    assert kept.count("u") == frames.count("u")
    body = kept if on_purpose else kept.rstrip("s")
    assert "s" not in body
    assert re.sub("s", "", re.sub("(?<=s)l+(?=s)", "", frames)) == body
    tail = re.search("s*$", frames)
    assert tail is not None
    assert on_purpose or kept.endswith(tail.group())


def told_of(act: Callable[[], object]) -> str:
    try:
        act()
    except Exception as fault:
        return traceback_text(fault)
    raise AssertionError("it has not raised")


def refuses() -> None:
    task("a b")


def test_an_error_of_stem_ends_in_the_users_line() -> None:
    text = told_of(refuses)
    lines = [line for line in text.splitlines() if line.startswith("  File")]
    assert [re.sub(r".*, in ", "", line) for line in lines] == [
        "told_of",
        "refuses",
    ]
    assert text.endswith("found 'a b'\n")


def test_what_stem_does_not_raise_on_purpose_says_where_it_comes_from() -> None:
    text = told_of(lambda: stem.TaskDefinition.build(None))  # type: ignore[call-overload]
    assert "stem/core/task.py" in text


def test_runs_and_jobs_tell_of_causes_without_stem() -> None:
    def deep() -> int:
        raise ValueError("deep")

    @workflow("w")
    async def fails(ctx: WorkflowContext) -> int:
        try:
            await ctx.options(max_retries=0).step("a", deep)
        except StepFailed as fault:
            raise RuntimeError("outer") from fault
        return 1

    @task("t", max_retries=0)
    def job() -> int:
        return deep()

    async def work() -> tuple[str, str]:
        async with Stem("memory://", tasks=[job], workflows=[fails]) as app:
            run, handle = await fails.build(NoArgs()).start(app), await job.enqueue(app)
            await app.worker(burst=True).run()
            told = await app.workflows.get(run.id)
            record = (await app.jobs.get(handle.id)).error
            assert told.error is not None
            assert record is not None
            return record.traceback, told.error.traceback

    of_job, of_run = asyncio.run(work())
    assert HOME not in of_job
    assert HOME not in of_run
    assert "ValueError: deep" in of_job
    for words in ("ValueError: deep", "StepFailed", "RuntimeError: outer"):
        assert words in of_run


def test_groups_are_told_without_stem_too() -> None:
    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(refuses))

    text = told_of(lambda: asyncio.run(work()))
    assert "in refuses" in text
    assert HOME not in text


def test_an_error_that_only_stem_saw_is_one_line() -> None:
    fault = StepFailed("s", error_type="E", error_message="m", attempts=1)
    assert traceback_text(fault) == "".join(traceback.format_exception_only(fault))
