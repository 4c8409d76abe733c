-- 0002_workflows.sql: workflow runs. Times are unix ms by the store's clock; states and outcomes are words.

-- A run. Narrow, for every step writes it anew; what is large and seldom written lies in run_data.
CREATE TABLE run (
    seq             INTEGER PRIMARY KEY,
    ns              INTEGER NOT NULL,
    id              TEXT NOT NULL,
    workflow        TEXT NOT NULL,
    version         INTEGER NOT NULL,
    state           TEXT NOT NULL,
    fence           INTEGER NOT NULL,
    owner           TEXT NOT NULL,
    lease_ms        INTEGER NOT NULL,
    due_at          INTEGER,
    policy_at       INTEGER,
    cancel_at       INTEGER,
    suspend_at      INTEGER,
    cleanup_at      INTEGER,
    cancel_after_ms INTEGER,
    max_suspend_ms  INTEGER,
    keep_ms         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    started_at      INTEGER,
    changed_at      INTEGER NOT NULL,
    finished_at     INTEGER,
    forget_at       INTEGER,
    number          INTEGER NOT NULL,
    generation      INTEGER NOT NULL,
    takeovers       INTEGER NOT NULL,
    blocks          INTEGER NOT NULL,
    changes         INTEGER NOT NULL,
    cleans_up       INTEGER NOT NULL,
    cleaning        INTEGER NOT NULL,
    parent_run      TEXT NOT NULL,
    parent_step     TEXT NOT NULL,
    parent_policy   TEXT NOT NULL,
    reason          TEXT NOT NULL,
    cancel          BLOB NOT NULL,
    notes           BLOB NOT NULL,
    UNIQUE (ns, id)
);
CREATE INDEX run_due      ON run (ns, workflow, version, due_at, seq) WHERE due_at IS NOT NULL;
CREATE INDEX run_policy   ON run (ns, policy_at)                      WHERE policy_at IS NOT NULL;
CREATE INDEX run_over     ON run (ns, forget_at)                      WHERE forget_at IS NOT NULL;
CREATE INDEX run_parent   ON run (ns, parent_run)                     WHERE parent_run <> '';
CREATE INDEX run_state    ON run (ns, state, seq);
CREATE INDEX run_workflow ON run (ns, workflow, seq);

CREATE TABLE run_data (
    seq    INTEGER PRIMARY KEY,
    params BLOB NOT NULL,
    result BLOB NOT NULL DEFAULT x'',
    error  BLOB NOT NULL DEFAULT x''
);

-- Checkpoints, by run and key; those that a rewind or a rerun put aside.
CREATE TABLE run_step (
    run         INTEGER NOT NULL,
    key         TEXT NOT NULL,
    pos         INTEGER NOT NULL,
    outcome     TEXT NOT NULL,
    value       BLOB NOT NULL,
    meta        BLOB NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE TABLE run_aside (
    run         INTEGER NOT NULL,
    generation  INTEGER NOT NULL,
    key         TEXT NOT NULL,
    pos         INTEGER NOT NULL,
    outcome     TEXT NOT NULL,
    value       BLOB NOT NULL,
    meta        BLOB NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    attempts    INTEGER NOT NULL
);
CREATE INDEX run_aside_run ON run_aside (run);

-- What runs wait for: an event or message of `topic`, the end of the job or child `source`, or the deadline.
CREATE TABLE run_wait (
    run      INTEGER NOT NULL,
    key      TEXT NOT NULL,
    ns       INTEGER NOT NULL,
    pos      INTEGER NOT NULL,
    topic    TEXT NOT NULL,
    source   TEXT NOT NULL,
    deadline INTEGER,
    on_time  TEXT NOT NULL,
    late     BLOB NOT NULL,
    meta     BLOB NOT NULL,
    since    INTEGER NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE INDEX run_wait_topic ON run_wait (ns, topic, since, run) WHERE topic <> '';

CREATE TABLE event (
    ns         INTEGER NOT NULL,
    topic      TEXT NOT NULL,
    id         TEXT NOT NULL,
    payload    BLOB NOT NULL,
    seq        INTEGER NOT NULL,
    emitted_at INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    PRIMARY KEY (ns, topic)
) WITHOUT ROWID;
CREATE INDEX event_over ON event (ns, until);

CREATE TABLE message (
    seq     INTEGER PRIMARY KEY,
    ns      INTEGER NOT NULL,
    run     INTEGER NOT NULL,
    box     TEXT NOT NULL,
    id      TEXT NOT NULL,
    payload BLOB NOT NULL,
    read_by TEXT NOT NULL,
    sent_at INTEGER NOT NULL
);
CREATE INDEX message_run    ON message (run, box, seq);
CREATE INDEX message_unread ON message (ns, seq) WHERE read_by = '';

-- What a step has left to do: wake the rest of who waits for an event, end a child.
CREATE TABLE run_todo (
    ns     INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    target TEXT NOT NULL,
    data   BLOB NOT NULL,
    PRIMARY KEY (ns, kind, target)
) WITHOUT ROWID;
