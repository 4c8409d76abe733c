"""Which promise is held by which test: docs/internals/contracts.md is drawn from the suites.

`STEM_UPDATE_DOCS=1` writes the page anew.
"""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
from collections import defaultdict
from pathlib import Path

import stem.testing.contracts as suites

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/internals/contracts.md"
HERE = Path(__file__).parent

#: What an engine must do, by number. Numbers are never given to something else; gaps belong to other suites.
PROMISES = {
    1: "a publish is answered `new`",
    2: "an id published again changes nothing",
    3: "an id is taken while its job or its result lives",
    4: "an id is free again after that",
    5: "a lost reply and a second try make one job",
    6: "a batch is answered one by one, in order",
    8: "any bytes come back as they were",
    9: "any text is a safe name; namespaces share nothing",
    10: "a held unique key names its holder",
    11: "a unique key is free when its time is over, and not before",
    12: "a key whose holder is gone can be taken",
    13: "a duplicate of a unique job is a duplicate",
    14: "a replay takes the key again or names its holder",
    18: "first in, first out within a priority",
    19: "higher priority first",
    20: "a batch is never larger than asked for",
    21: "no level starves, unless order is strict",
    22: "no two workers hold the same delivery",
    23: "an empty claim knows the next timer",
    24: "an expired job is not run, only settled",
    25: "a job cancelled before its start is never run",
    26: "a paused queue hands out nothing, running jobs go on",
    27: "a resume wakes who sleeps",
    28: "a pause survives a restart",
    29: "a queue nobody used is empty",
    31: "several queues take turns, or are strict",
    32: "a delivery carries what a worker must know",
    33: "never early, by the clock of the store",
    34: "a sleeper is woken in any process",
    35: "no wake-up is lost",
    36: "equal bytes at an equal instant are two jobs",
    37: "an instant in the past means now",
    38: "many due at once are promoted in slices",
    39: "what waits survives a restart",
    40: "two who promote at once lose nothing",
    41: "years ahead are no trouble",
    42: "priority outlives a delay",
    43: "a settlement is stored once",
    44: "an old fence changes nothing",
    45: "a settlement whose reply was lost is recognised",
    46: "a retry is the next attempt under a new fence",
    47: "a retry waits for its delay",
    48: "a retry loses nothing of its job",
    49: "a hand-back uses up no attempt",
    50: "a lost lease is redelivered, and only then",
    51: "a renewal holds longer",
    52: "renewals are answered one by one, cancels included",
    53: "what is settled cannot be renewed",
    54: "each job has its own lease",
    55: "a renewed job runs once",
    56: "too many lost leases in a row are flagged",
    57: "a lost lease uses up no attempt",
    58: "who leaves hands back",
    60: "nothing a zombie says is heard",
    61: "a batch settles what is held and refuses the rest",
    62: "what runs survives a restart",
    63: "lists have stable cursors",
    64: "a dead letter is found by id",
    65: "a replay starts anew and is counted",
    66: "a replay happens once",
    67: "a replay loses nothing",
    68: "dead letters are purged by choice",
    69: "dead letters are kept for their time",
    70: "states are seen in their order",
    71: "a result lives for its time",
    72: "a wait hears of the end, whoever stores it",
    73: "a failure is recorded with its error",
    74: "a group fires once",
    75: "a member is counted once",
    76: "a redelivered last member fires once",
    77: "failed members break a group, or are collected",
    78: "an empty group fires at once",
    79: "groups may be nested",
    80: "a follow-up appears with its success, or not at all",
    82: "an abandoned group is forgotten",
    83: "a rate is never exceeded",
    84: "a limit holds up nobody else, and room is used",
    85: "limits change while jobs wait",
    86: "silence saves up no more than the burst",
    87: "throttling changes neither attempts nor deliveries",
    88: "a lock has one owner and a growing token",
    89: "who does not hold a lock cannot release it",
    90: "a cancel ends what waits, and blocks an unknown id",
    91: "a running job is asked to end at its next renewal",
    93: "a schedule fires once, however many ask",
    94: "a firing whose reply was lost is not doubled",
    95: "a missed instant can be skipped",
    97: "numbers are what a list shows",
    99: "a purge leaves what runs",
    101: "a worker that falls silent disappears",
    102: "a message reaches whom it is meant for, once each",
    105: "who waits costs nothing",
    106: "what is over leaves nothing behind",
    109: "a run is started once for one id, unless asked otherwise",
    110: "a run is held by one worker, and each claim has a higher fence",
    111: "a change under an old fence is refused",
    112: "a checkpoint is stored once and never changes",
    113: "an event or message before the wait is not lost",
    114: "an event or message wakes whom it is meant for, whenever it comes",
    115: "the first event wins, for its time",
    116: "every replay sees the same payload",
    117: "an event or the time-out, never both",
    118: "a run sleeps until its time, not shorter, across restarts",
    119: "what a step brings about happens with its checkpoint; who cannot go on stands still",
    120: "a cancel reaches a run in every state, with its clean-up and its children",
    121: "completion and cancel give one end",
    122: "a rewind takes back a step and all behind it",
    123: "policies end a run whoever works",
    124: "a parent is told once of the end of its job or child",
    125: "runs, waits, events are listed by index, in pages",
    126: "a forgotten run leaves no trace",
    127: "many who wait are woken in slices, and none is lost",
    128: "a run under a lease is nobody else's",
    130: "a step of the clock takes nothing from a worker that lives",
    131: "a lease that should have been renewed is doubted once",
    132: "what is parked for a rate outlasts a step of the clock; a delay does not",
    133: "a page looks at a bounded number of jobs, and says how far back",
    129: "a job given back unrun keeps its losses and waits",
}
#: Promises that no contract suite can hold alone: what holds them instead, by file.
ELSEWHERE = {
    7: (
        "a batch with a call that cannot be sent sends nothing",
        ["tests/client/test_enqueue.py::test_a_batch_with_a_call_that_cannot_be_sent_sends_none_of_its_slice"],
    ),
    34: ("a sleeper is woken within milliseconds", ["tests/bench/pickup.py::measure"]),
    59: (
        "kill -9 in the middle of a batch loses nothing",
        [
            "tests/e2e/test_storm.py::test_a_storm_loses_nothing_and_settles_nothing_twice_on_sqlite",
            "tests/e2e/test_storm.py::test_a_storm_loses_nothing_and_settles_nothing_twice_on_redis",
        ],
    ),
    30: (
        "a claim after the store was emptied serves what comes next",
        ["tests/engines/redis/test_trouble.py::test_a_server_that_lost_everything_serves_what_comes_next"],
    ),
    98: (
        "the cost of looking does not grow with what is stored",
        [
            "tests/engines/sqlite/test_costs.py::test_the_cost_does_not_grow_with_what_is_stored",
            "tests/engines/redis/test_costs.py::test_the_number_of_commands_does_not_grow_with_what_is_stored",
        ],
    ),
    103: (
        "nothing is found by reading everything",
        [
            "tests/engines/sqlite/test_costs.py::test_the_cost_does_not_grow_with_what_is_stored",
            "tests/engines/redis/test_keys.py::test_nothing_is_found_by_reading_everything_and_all_keys_lie_in_one_slot",
        ],
    ),
    81: (
        "what a step brings about in another part happens once, also when its process dies in between",
        [
            "tests/engines/redis/test_partition.py::test_a_follow_up_in_another_queue_is_there_when_the_settlement_is",
            "tests/engines/redis/test_partition.py::test_what_a_dead_process_left_lying_is_carried_by_a_sweep_once",
            "tests/engines/redis/test_partition.py::test_who_carries_late_what_another_has_carried_does_nothing",
        ],
    ),
    104: (
        "all keys of a script lie in one slot",
        [
            "tests/engines/redis/test_keys.py::test_nothing_is_found_by_reading_everything_and_all_keys_lie_in_one_slot",
            "tests/engines/redis/test_keys.py::test_with_a_slot_for_each_queue_every_step_stays_in_one",
        ],
    ),
    107: (
        "a busy, full, missing or foreign store is an error of its own kind",
        [
            "tests/engines/sqlite/test_trouble.py::test_a_locked_file_is_an_error_in_bounded_time_and_works_again_afterwards",
            "tests/engines/sqlite/test_trouble.py::test_a_full_disk_is_an_error_and_changes_nothing",
            "tests/engines/sqlite/test_trouble.py::test_a_file_deleted_under_the_engine_is_noticed",
            "tests/engines/sqlite/test_opening.py::test_another_programs_file_is_refused_and_left_as_it_was",
            "tests/engines/redis/test_trouble.py::test_a_server_that_forgot_its_scripts_is_taught_again",
            "tests/engines/redis/test_trouble.py::test_calls_made_while_the_server_restarts_wait_for_it",
            "tests/engines/redis/test_full.py::test_whatever_makes_room_or_keeps_jobs_alive_goes_on_when_the_server_is_full",
            "tests/engines/redis/test_reaching.py::test_while_our_slot_moves_calls_wait_and_nothing_is_done_by_halves",
        ],
    ),
}
#: Numbers kept for what does not exist yet, or does not apply to these engines.
NOT_YET = {
    15: "queues of bounded length",
    16: "enqueuing in the transaction of the user",
    17: "the same: no wake-up before its commit",
    92: "revoking by rule",
    96: "the next instant of a cron expression: the scheduler",
    100: "queue events",
    108: "workers of two versions side by side: from the second release on",
}
_HEAD = """# What engines promise, and the tests that hold them to it

Drawn from the suites in `stem.testing.contracts`; `STEM_UPDATE_DOCS=1 pytest tests/contracts/test_checklist.py`
draws it anew. A test runs on every engine listed beside it, those of classes named `Durable` only where the store
outlives the engine.
"""


def by_number() -> dict[int, list[tuple[str, str]]]:
    """(class, test) by the numbers in the tests' docstrings."""
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for module in sorted(one.name for one in pkgutil.iter_modules(suites.__path__)):
        loaded = importlib.import_module(f"{suites.__name__}.{module}")
        for owner in vars(loaded).values():
            if not isinstance(owner, type) or owner.__module__ != loaded.__name__:
                continue
            for name, test in vars(owner).items():
                for number in _numbers(getattr(test, "__doc__", None) or ""):
                    found[number].append((owner.__name__, name))
    return found


def engines_by_class() -> dict[str, set[str]]:
    """The engines whose test files inherit from a suite, with the suites that it is made of."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(HERE.glob("test_*.py")):
        bases = [
            base.id
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, ast.ClassDef)
            for base in node.bases
            if isinstance(base, ast.Name)
        ]
        for base in bases:
            for part in _parts(base):
                found[part].add(path.stem.removeprefix("test_"))
    return found


def page() -> str:
    """The text of the page."""
    engines, lines = engines_by_class(), [_HEAD, "| promise | held by | on |", "| --- | --- | --- |"]
    for number, tests in sorted(by_number().items()):
        shown = "<br>".join(f"`{owner}.{name}`" for owner, name in tests)
        on = sorted({engine for owner, _ in tests for engine in engines[owner]})
        lines.append(f"| {number} {PROMISES[number]} | {shown} | {', '.join(on)} |")
    lines += ["", "## Held elsewhere", "", "| promise | held by |", "| --- | --- |"]
    for number, (promise, held_by) in ELSEWHERE.items():
        lines.append(f"| {number} {promise} | {'<br>'.join(f'`{one}`' for one in held_by)} |")
    lines += ["", "## Kept for later", "", "| number | about |", "| --- | --- |"]
    lines += [f"| {number} | {about} |" for number, about in NOT_YET.items()]
    return "\n".join(lines) + "\n"


def _numbers(doc: str) -> list[int]:
    found = re.search(r"Checklist: ([\d, ]+)\.", doc)
    return [int(number) for number in found[1].split(",")] if found else []


def _parts(name: str) -> set[str]:
    for module in pkgutil.iter_modules(suites.__path__):
        owner = getattr(importlib.import_module(f"{suites.__name__}.{module.name}"), name, None)
        if isinstance(owner, type) and owner.__module__.endswith(module.name):
            return {one.__name__ for one in owner.__mro__}
    return set()


def test_every_number_has_a_promise_and_every_promise_a_test() -> None:
    assert sorted(by_number()) == sorted(PROMISES)


def test_every_number_up_to_the_last_is_accounted_for() -> None:
    assert sorted(PROMISES.keys() | ELSEWHERE.keys() | NOT_YET.keys()) == list(range(1, max(PROMISES) + 1))
    assert not NOT_YET.keys() & (PROMISES.keys() | ELSEWHERE.keys())


def test_what_is_held_elsewhere_is_there() -> None:
    for _, held_by in ELSEWHERE.values():
        for place in held_by:
            path, _, name = place.partition("::")
            assert f"def {name}(" in (ROOT / path).read_text("utf-8"), place


def test_every_suite_is_plugged_in() -> None:
    owners = {owner for tests in by_number().values() for owner, _ in tests}
    engines = engines_by_class()
    assert {owner for owner in owners if not engines[owner]} == set()
    assert {owner for owner in owners if "memory" not in engines[owner] and not owner.startswith("Durable")} == set()


def test_the_page_is_up_to_date() -> None:
    if os.environ.get("STEM_UPDATE_DOCS"):
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page(), "utf-8")
    assert PAGE.read_text("utf-8") == page(), "run it again with STEM_UPDATE_DOCS=1"
