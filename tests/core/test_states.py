"""The table of states: closed, complete, and final where it says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest

from stem.core.job import Job
from stem.core.states import FINAL, TRANSITIONS, WAITING, JobState

STATES: set[str] = set(get_args(JobState))


def test_every_way_leads_from_a_known_state_to_a_known_state() -> None:
    assert set(TRANSITIONS.values()) <= STATES
    assert {before for before, _ in TRANSITIONS} <= STATES | {"-"}


def test_every_state_can_be_reached_from_nothing() -> None:
    reached = {"-"}
    while more := {after for (before, _), after in TRANSITIONS.items() if before in reached} - reached:
        reached |= more
    assert reached - {"-"} == STATES


def test_an_ended_job_is_only_woken_by_a_replay_and_a_success_never() -> None:
    leaving = {(before, event) for before, event in TRANSITIONS if before in FINAL}
    assert leaving == {("failed", "replay"), ("cancelled", "replay")}


@pytest.mark.parametrize("state", sorted(STATES - FINAL))
def test_every_unfinished_job_can_be_cancelled_and_can_end(state: str) -> None:
    assert TRANSITIONS[state, "cancel"] == "cancelled"


def test_a_job_is_waiting_running_or_ended() -> None:
    assert {*WAITING, "running", *FINAL} == STATES
    assert len(WAITING) + 1 + len(FINAL) == len(STATES)


@pytest.mark.parametrize("state", get_args(JobState))
def test_a_job_is_finished_in_the_final_states_only(state: JobState) -> None:
    job = Job(id="j", task="t", queue="q", state=state, enqueued_at=datetime(2030, 1, 1, tzinfo=UTC))
    assert job.finished is (state in FINAL)
