"""stem: background jobs and durable workflows for Python, where the type checker knows the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # declaring
    from stem.core.call import TaskEnqueueBuilder as TaskEnqueueBuilder
    from stem.core.canvas import Chain as Chain
    from stem.core.canvas import Composable as Composable
    from stem.core.codec import NoArgs as NoArgs
    from stem.core.context import Enqueuer as Enqueuer
    from stem.core.context import JobHandle as JobHandle
    from stem.core.context import TaskContext as TaskContext
    from stem.core.job import Job as Job
    from stem.core.limit import Limit as Limit
    from stem.core.rate import Rate as Rate
    from stem.core.retry import RetryPolicy as RetryPolicy
    from stem.core.task import AsyncTask as AsyncTask
    from stem.core.task import SyncTask as SyncTask
    from stem.core.task import TaskDefinition as TaskDefinition
    from stem.core.task import task as task
    from stem.core.unique import Unique as Unique
else:
    from stem._lazy import lazy

    __getattr__, __dir__, __all__ = lazy(
        __name__,
        {
            "stem.core.call": ["TaskEnqueueBuilder"],
            "stem.core.canvas": ["Chain", "Composable"],
            "stem.core.codec": ["NoArgs"],
            "stem.core.context": ["Enqueuer", "JobHandle", "TaskContext"],
            "stem.core.job": ["Job"],
            "stem.core.limit": ["Limit"],
            "stem.core.rate": ["Rate"],
            "stem.core.retry": ["RetryPolicy"],
            "stem.core.task": ["AsyncTask", "SyncTask", "TaskDefinition", "task"],
            "stem.core.unique": ["Unique"],
        },
    )
