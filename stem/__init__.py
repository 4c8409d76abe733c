"""stem: background jobs and durable workflows for Python, where the type checker knows the queue."""

from __future__ import annotations

# checkers read any name TYPE_CHECKING as true; importing it from `typing` would double the cost of `import stem`
TYPE_CHECKING = False

if TYPE_CHECKING:
    # composing an app
    from stem.app import Stem as Stem

    # watching
    from stem.client.dead_letters import DeadLetter as DeadLetter
    from stem.contracts.broker import Delivery as Delivery
    from stem.contracts.queues import QueueStats as QueueStats

    # declaring
    from stem.core.call import TaskEnqueueBuilder as TaskEnqueueBuilder
    from stem.core.canvas import Chain as Chain
    from stem.core.canvas import Composable as Composable
    from stem.core.canvas import Group as Group
    from stem.core.canvas import group as group
    from stem.core.codec import NoArgs as NoArgs
    from stem.core.context import Enqueuer as Enqueuer
    from stem.core.context import JobHandle as JobHandle
    from stem.core.context import SyncEnqueuer as SyncEnqueuer
    from stem.core.context import SyncJobHandle as SyncJobHandle
    from stem.core.context import TaskContext as TaskContext
    from stem.core.default import default as default
    from stem.core.events import Mailbox as Mailbox
    from stem.core.events import Timeout as Timeout
    from stem.core.events import Topic as Topic
    from stem.core.flow import Flow as Flow
    from stem.core.job import Job as Job
    from stem.core.limit import Limit as Limit
    from stem.core.queue import Queue as Queue
    from stem.core.rate import Rate as Rate
    from stem.core.retry import RetryPolicy as RetryPolicy
    from stem.core.run_context import Child as Child
    from stem.core.run_context import Gather as Gather
    from stem.core.run_context import RunHandle as RunHandle
    from stem.core.run_context import StepContext as StepContext
    from stem.core.run_context import Transaction as Transaction
    from stem.core.run_context import WorkflowClient as WorkflowClient
    from stem.core.run_context import WorkflowContext as WorkflowContext
    from stem.core.run_view import Run as Run
    from stem.core.settle import Signal as Signal
    from stem.core.stub import StubTask as StubTask
    from stem.core.stub_workflow import StubWorkflow as StubWorkflow
    from stem.core.task import AsyncTask as AsyncTask
    from stem.core.task import SyncTask as SyncTask
    from stem.core.task import TaskDefinition as TaskDefinition
    from stem.core.task import task as task
    from stem.core.unique import Unique as Unique
    from stem.core.workflow import WorkflowCall as WorkflowCall
    from stem.core.workflow import WorkflowDefinition as WorkflowDefinition
    from stem.core.workflow import workflow as workflow

    # errors
    from stem.errors import ConfigError as ConfigError
    from stem.errors import EngineError as EngineError
    from stem.errors import EngineRefusedError as EngineRefusedError
    from stem.errors import EngineUnavailableError as EngineUnavailableError
    from stem.errors import InvalidArgumentsError as InvalidArgumentsError
    from stem.errors import JobCancelled as JobCancelled
    from stem.errors import JobError as JobError
    from stem.errors import JobFailed as JobFailed
    from stem.errors import LeaseLost as LeaseLost
    from stem.errors import PayloadTooLargeError as PayloadTooLargeError
    from stem.errors import ResultNotKept as ResultNotKept
    from stem.errors import ResultTimeout as ResultTimeout
    from stem.errors import RunCancelled as RunCancelled
    from stem.errors import RunEndedError as RunEndedError
    from stem.errors import RunError as RunError
    from stem.errors import RunExistsError as RunExistsError
    from stem.errors import RunFailed as RunFailed
    from stem.errors import RunTimeout as RunTimeout
    from stem.errors import SoftTimeLimit as SoftTimeLimit
    from stem.errors import StemError as StemError
    from stem.errors import StepFailed as StepFailed
    from stem.errors import UniqueConflictError as UniqueConflictError
    from stem.errors import UnknownJobError as UnknownJobError
    from stem.errors import UnknownRunError as UnknownRunError
    from stem.errors import UnknownTaskError as UnknownTaskError
    from stem.errors import UnknownWorkflowError as UnknownWorkflowError
    from stem.errors import WorkflowError as WorkflowError
    from stem.observe.middleware import AnyCall as AnyCall
    from stem.observe.middleware import ConsumeNext as ConsumeNext
    from stem.observe.middleware import ExecuteNext as ExecuteNext
    from stem.observe.middleware import Middleware as Middleware
    from stem.observe.middleware import SendNext as SendNext
    from stem.worker.worker import Worker as Worker
else:
    from stem._lazy import lazy

    __getattr__, __dir__, __all__ = lazy(
        __name__,
        {
            "stem.app": ["Stem"],
            "stem.client.dead_letters": ["DeadLetter"],
            "stem.contracts.queues": ["QueueStats"],
            "stem.core.queue": ["Queue"],
            "stem.core.settle": ["Signal"],
            "stem.errors": [
                "ConfigError",
                "EngineError",
                "EngineRefusedError",
                "EngineUnavailableError",
                "InvalidArgumentsError",
                "JobCancelled",
                "JobError",
                "JobFailed",
                "LeaseLost",
                "PayloadTooLargeError",
                "ResultNotKept",
                "ResultTimeout",
                "RunCancelled",
                "RunEndedError",
                "RunError",
                "RunExistsError",
                "RunFailed",
                "RunTimeout",
                "SoftTimeLimit",
                "StemError",
                "StepFailed",
                "UniqueConflictError",
                "UnknownJobError",
                "UnknownRunError",
                "UnknownTaskError",
                "UnknownWorkflowError",
                "WorkflowError",
            ],
            "stem.contracts.broker": ["Delivery"],
            "stem.observe.middleware": ["AnyCall", "ConsumeNext", "ExecuteNext", "Middleware", "SendNext"],
            "stem.worker.worker": ["Worker"],
            "stem.core.call": ["TaskEnqueueBuilder"],
            "stem.core.canvas": ["Chain", "Composable", "Group", "group"],
            "stem.core.default": ["default"],
            "stem.core.events": ["Mailbox", "Timeout", "Topic"],
            "stem.core.flow": ["Flow"],
            "stem.core.run_context": [
                "Child",
                "Gather",
                "RunHandle",
                "StepContext",
                "Transaction",
                "WorkflowClient",
                "WorkflowContext",
            ],
            "stem.core.run_view": ["Run"],
            "stem.core.workflow": ["WorkflowCall", "WorkflowDefinition", "workflow"],
            "stem.core.stub": ["StubTask"],
            "stem.core.stub_workflow": ["StubWorkflow"],
            "stem.core.codec": ["NoArgs"],
            "stem.core.context": ["Enqueuer", "JobHandle", "SyncEnqueuer", "SyncJobHandle", "TaskContext"],
            "stem.core.job": ["Job"],
            "stem.core.limit": ["Limit"],
            "stem.core.rate": ["Rate"],
            "stem.core.retry": ["RetryPolicy"],
            "stem.core.task": ["AsyncTask", "SyncTask", "TaskDefinition", "task"],
            "stem.core.unique": ["Unique"],
        },
    )
