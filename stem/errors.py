"""The errors a caller can react to: one class per reaction, its facts as attributes.

Every message says what was expected, what was found and the next step. Classes carry `exit_code`, which the
command line uses as its own: 1 negative answer, 2 usage, 69 server unavailable, 70 failure (sysexits.h).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class StemError(Exception):
    """Base of every error stem raises on purpose."""

    exit_code = 70


class ConfigError(StemError):
    """The declaration or configuration is wrong; `problems` lists all faults at once."""

    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class AppNotFoundError(ConfigError):
    """The app named by `-A`, `STEM_APP` or stem.toml cannot be imported."""


class UnknownTaskError(StemError):
    """No task of this name is declared; `nearest` is the closest known name, if any is close."""

    exit_code = 2

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = sorted(known)
        self.nearest = nearest(name, self.known)
        super().__init__(f"no task named {name!r} is registered; {hint(self.nearest, self.known)}")


class InvalidArgumentsError(StemError):
    """The arguments do not fit the task's model; nothing was enqueued. `details` is one line a fault."""

    exit_code = 2

    def __init__(self, task: str, details: Sequence[str], *, what: str = "arguments of task") -> None:
        self.task = task
        self.details = tuple(details)
        verb = "was" if what.startswith("the payload") else "were"
        super().__init__(f"{what} {task!r} {verb} refused: " + "; ".join(self.details))


class PayloadTooLargeError(StemError):
    """The encoded envelope is over the limit; nothing was enqueued."""

    exit_code = 2

    def __init__(self, task: str, size: int, limit: int, *, what: str = "arguments of task") -> None:
        self.task, self.size, self.limit = task, size, limit
        super().__init__(
            f"{what} {task!r} {'takes' if what.startswith('the payload') else 'take'} {size:,} bytes, over the limit of {limit:,}; "
            "store the data elsewhere and send a reference, or raise Stem(max_payload=)"
        )


class UniqueConflictError(StemError):
    """Another live job holds the unique key; `holder` is its id."""

    exit_code = 1

    def __init__(self, key: str, holder: str) -> None:
        self.key, self.holder = key, holder
        super().__init__(f"unique key {key!r} is held by job {holder}; nothing was enqueued")


class JobError(StemError):
    """Base of what `JobHandle.result()` raises about the job itself; `job_id` names it."""

    exit_code = 1

    def __init__(self, job_id: str, message: str) -> None:
        self.job_id = job_id
        super().__init__(message)


class JobFailed(JobError):  # noqa: N818 - the public name reads as the state it reports
    """The job was buried; `reason` as in its dead letter, `error_type` and `error_message` of the last attempt."""

    def __init__(self, job_id: str, *, reason: str, error_type: str, error_message: str, traceback: str = "") -> None:
        self.reason, self.error_type, self.error_message, self.traceback = reason, error_type, error_message, traceback
        super().__init__(job_id, f"job {job_id} failed ({reason}): {error_type}: {error_message}")


class JobCancelled(JobError):  # noqa: N818
    """The job was cancelled, by somebody or because it expired; `reason` says which."""

    def __init__(self, job_id: str, *, reason: str) -> None:
        self.reason = reason
        super().__init__(job_id, f"job {job_id} was cancelled ({reason})")


class ResultTimeout(JobError):  # noqa: N818
    """The wait ended before the job did; the job goes on. `why`: what it waits for, where that is known."""

    def __init__(self, job_id: str, *, seconds: float, state: str, why: str = "") -> None:
        self.seconds, self.state, self.why = seconds, state, why
        more = f" ({why})" if why else ""
        super().__init__(job_id, f"job {job_id} had no result after {seconds:g} s; it is {state} and goes on{more}")


class ResultNotKept(JobError):  # noqa: N818
    """The job succeeded, but its value was not stored (`ignore_result=True`)."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id, f"job {job_id} succeeded, but its task says ignore_result=True: no value was kept")


class UnknownJobError(JobError):
    """No job of this id is known: never enqueued here, or its result has passed its time to live."""

    def __init__(self, job_id: str, message: str = "") -> None:
        known = f"no job {job_id!r} is known: it was never enqueued in this namespace, or its result has expired"
        super().__init__(job_id, message or known)


class WorkflowError(StemError):
    """A workflow's code does something that cannot be replayed, or asks for what its store does not have."""


class StepFailed(StemError):  # noqa: N818
    """A step failed in all its attempts; raised into the workflow, now and in every replay, which may catch it."""

    def __init__(self, step: str, *, error_type: str, error_message: str, attempts: int = 1) -> None:
        self.step, self.error_type, self.error_message, self.attempts = step, error_type, error_message, attempts
        times = f" in {attempts} attempts" if attempts > 1 else ""
        super().__init__(f"step {step!r} failed{times}: {error_type}: {error_message}")


class UnknownWorkflowError(StemError):
    """No workflow of this name, or not of this version, is declared; `nearest` is the closest known name."""

    exit_code = 2

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name, self.known = name, sorted(known)
        self.nearest = nearest(name, self.known)
        super().__init__(f"no workflow named {name!r} is registered; {hint(self.nearest, self.known)}")


class RunError(StemError):
    """Base of what is raised about one workflow run; `run_id` names it."""

    exit_code = 1

    def __init__(self, run_id: str, message: str) -> None:
        self.run_id = run_id
        super().__init__(message)


class RunFailed(RunError):  # noqa: N818
    """The run failed: `error_type` and `error_message` of what it ended with."""

    def __init__(self, run_id: str, *, error_type: str, error_message: str, traceback: str = "") -> None:
        self.error_type, self.error_message, self.traceback = error_type, error_message, traceback
        super().__init__(run_id, f"run {run_id} failed: {error_type}: {error_message}")


class RunCancelled(RunError):  # noqa: N818
    """The run was cancelled; `reason` says why."""

    def __init__(self, run_id: str, *, reason: str) -> None:
        self.reason = reason
        super().__init__(run_id, f"run {run_id} was cancelled ({reason})")


class RunTimeout(RunError):  # noqa: N818
    """The wait ended before the run did; the run goes on."""

    def __init__(self, run_id: str, *, seconds: float, state: str) -> None:
        self.seconds, self.state = seconds, state
        super().__init__(run_id, f"run {run_id} has not ended after {seconds:g} s; it is {state} and goes on")


class RunExistsError(RunError):
    """There is a run of this id already, and the start said `if_exists="raise"`, or a child asked for an id not its own."""


class RunEndedError(RunError):
    """The run has ended: nobody would read the message."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id, f"run {run_id} has ended: nobody would read the message")


class UnknownRunError(RunError):
    """No run of this id is known: never started here, or forgotten when its time to be kept was over."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            run_id,
            f"no run {run_id!r} is known: it was never started in this namespace, or its time to be kept is over",
        )


class LeaseLost(StemError):  # noqa: N818
    """The delivery belongs to somebody else now; what this attempt does can no longer be stored."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"the lease on job {job_id} was lost; its outcome would be discarded")


class SoftTimeLimit(Exception):  # noqa: N818
    """Thrown into a handler at its soft time limit, so that it can tidy up and end. Not a StemError: users catch it."""


class EngineError(StemError):
    """Base of what a database says no with; a worker that runs waits for better times, whichever it is."""


class EngineUnavailableError(EngineError):
    """The database cannot be reached or used right now; worth trying again."""

    exit_code = 69


class EngineRefusedError(EngineError):
    """The database can be reached, but must not be used: another program's file, a newer schema, read-only."""

    exit_code = 70


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to `name`, or None when none is close (difflib ratio 0.6)."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return close[0] if close else None


def hint(close: str | None, known: Sequence[str], show: int = 5) -> str:
    """'did you mean 'a'? (3 known: a, b, c)' for the tail of an error message."""
    listed = ", ".join(known[:show]) + (", ..." if len(known) > show else "")
    count = f"{len(known)} known: {listed}" if known else "none is known"
    return f"did you mean {close!r}? ({count})" if close else count
