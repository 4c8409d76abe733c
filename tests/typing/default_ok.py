"""Handlers whose argument has a default: they take it all the same, and calls must give it."""

from __future__ import annotations

from typing import assert_type

from pydantic import BaseModel

from stem import AsyncTask, SyncTask, TaskContext, TaskEnqueueBuilder, task


class Report(BaseModel):
    """An argument model of defaults only."""

    days: int = 7


WEEKLY = Report()


@task("default.async_args")
async def async_args(args: Report = WEEKLY) -> int:
    """Take the arguments."""
    return args.days


@task("default.async_both")
async def async_both(ctx: TaskContext, args: Report = WEEKLY) -> int:
    """Take the context and the arguments."""
    return args.days


@task("default.sync_args")
def sync_args(args: Report = WEEKLY) -> int:
    """Take the arguments, in a thread."""
    return args.days


@task("default.sync_both")
def sync_both(ctx: TaskContext, args: Report = WEEKLY) -> int:
    """Take the context and the arguments, in a thread."""
    return args.days


assert_type(async_args, AsyncTask[[Report], Report, int])
assert_type(async_both, AsyncTask[[TaskContext, Report], Report, int])
assert_type(sync_args, SyncTask[[Report], Report, int])
assert_type(sync_both, SyncTask[[TaskContext, Report], Report, int])

assert_type(async_args.build(WEEKLY), TaskEnqueueBuilder[int])
assert_type(sync_args.build(WEEKLY), TaskEnqueueBuilder[int])
assert_type(sync_both.build(WEEKLY), TaskEnqueueBuilder[int])
assert_type(sync_args(WEEKLY), int)
