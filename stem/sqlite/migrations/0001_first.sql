-- 0001_first.sql: everything stem keeps. `ns` is the namespace by number; times are unix ms by the store's clock.
-- job.state: 0 queued, 1 delayed, 2 parked, 3 running, 4 succeeded, 5 failed, 6 cancelled; only dead letters stay
-- behind in 5 and 6. The partial indexes repeat these numbers, for a partial index must name them literally.

CREATE TABLE namespace (
    ns   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- sequence: order of arrival of jobs and messages, and fences of deliveries; token: of locks. Neither ever goes back.
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES ('sequence', 0), ('token', 0);

CREATE TABLE queue (
    qid       INTEGER PRIMARY KEY,
    ns        INTEGER NOT NULL,
    name      TEXT NOT NULL,
    paused    INTEGER NOT NULL DEFAULT 0,
    tick      INTEGER NOT NULL DEFAULT 0,
    queued    INTEGER NOT NULL DEFAULT 0,
    delayed   INTEGER NOT NULL DEFAULT 0,
    parked    INTEGER NOT NULL DEFAULT 0,
    running   INTEGER NOT NULL DEFAULT 0,
    dead      INTEGER NOT NULL DEFAULT 0,
    succeeded INTEGER NOT NULL DEFAULT 0,
    failed    INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    retried   INTEGER NOT NULL DEFAULT 0,
    lost      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (ns, name)
);

-- A job that is not over, or a dead letter. Narrow, for every change of state writes the row anew.
CREATE TABLE job (
    seq           INTEGER PRIMARY KEY,
    ns            INTEGER NOT NULL,
    id            TEXT NOT NULL,
    qid           INTEGER NOT NULL,
    task          TEXT NOT NULL,
    state         INTEGER NOT NULL,
    priority      INTEGER NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 0,
    fence         INTEGER NOT NULL DEFAULT 0,
    deliveries    INTEGER NOT NULL DEFAULT 0,
    losses        INTEGER NOT NULL DEFAULT 0,
    settled       INTEGER NOT NULL DEFAULT -1,
    enqueued_at   INTEGER NOT NULL,
    ready_at      INTEGER NOT NULL,
    expires_at    INTEGER,
    lease_ms      INTEGER NOT NULL,
    max_losses    INTEGER NOT NULL,
    lease_until   INTEGER NOT NULL DEFAULT 0,
    started_at    INTEGER,
    worker        TEXT NOT NULL DEFAULT '',
    unique_key    TEXT,
    unique_until  TEXT,
    unique_for_ms INTEGER,
    rate_key      TEXT NOT NULL,
    limit_key     TEXT NOT NULL,
    counted       INTEGER NOT NULL DEFAULT 0,
    parked_key    TEXT NOT NULL DEFAULT '',
    result_ttl_ms INTEGER NOT NULL,
    reply_to      TEXT NOT NULL,
    cancel_reason TEXT,
    reason        TEXT NOT NULL DEFAULT '',
    died_at       INTEGER NOT NULL DEFAULT 0,
    dead_until    INTEGER NOT NULL DEFAULT 0,
    replays       INTEGER NOT NULL DEFAULT 0,
    changes       INTEGER NOT NULL DEFAULT 0,
    overrides     BLOB NOT NULL DEFAULT x'',
    error         BLOB NOT NULL DEFAULT x'',
    progress      BLOB NOT NULL DEFAULT x'',
    record        BLOB NOT NULL DEFAULT x'',
    UNIQUE (ns, id)
);
CREATE INDEX job_ready  ON job (qid, priority DESC, seq)   WHERE state = 0;
CREATE INDEX job_due    ON job (qid, ready_at)             WHERE state = 1;
CREATE INDEX job_parked ON job (ns, parked_key, qid, seq) WHERE state = 2;
CREATE INDEX job_lease  ON job (qid, lease_until)          WHERE state = 3;
CREATE INDEX job_dead   ON job (ns, died_at, id)           WHERE died_at > 0;
CREATE INDEX job_rotten ON job (ns, dead_until)            WHERE died_at > 0;

-- The bytes of a job, as at enqueue: never written again.
CREATE TABLE envelope (
    seq  INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);

-- What is kept of a finished job; qid 0: it was cancelled before it was known.
CREATE TABLE result (
    seq         INTEGER PRIMARY KEY,
    ns          INTEGER NOT NULL,
    id          TEXT NOT NULL,
    task        TEXT NOT NULL,
    qid         INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    fence       INTEGER NOT NULL,
    deliveries  INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    record      BLOB NOT NULL,
    UNIQUE (ns, id)
);
CREATE INDEX result_over ON result (ns, expires_at);

-- Unique keys; until NULL: as long as the holder is alive.
CREATE TABLE uniq (
    ns     INTEGER NOT NULL,
    key    TEXT NOT NULL,
    holder TEXT NOT NULL,
    until  INTEGER,
    PRIMARY KEY (ns, key)
) WITHOUT ROWID;
CREATE INDEX uniq_over ON uniq (ns, until) WHERE until IS NOT NULL;

-- Limits (LimitRow as JSON), the buckets and counts under them, and when to look again at what a rate has parked.
CREATE TABLE limit_row (
    ns       INTEGER NOT NULL,
    name     TEXT NOT NULL,
    declared BLOB NOT NULL,
    forced   BLOB,
    PRIMARY KEY (ns, name)
) WITHOUT ROWID;
CREATE TABLE bucket (
    ns      INTEGER NOT NULL,
    key     TEXT NOT NULL,
    parts   INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    per_ms  INTEGER NOT NULL,
    full_at INTEGER NOT NULL,
    PRIMARY KEY (ns, key)
) WITHOUT ROWID;
CREATE INDEX bucket_full ON bucket (ns, full_at);
CREATE TABLE running_count (
    ns  INTEGER NOT NULL,
    key TEXT NOT NULL,
    n   INTEGER NOT NULL,
    PRIMARY KEY (ns, key)
) WITHOUT ROWID;
CREATE TABLE park_timer (
    ns  INTEGER NOT NULL,
    key TEXT NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (ns, key)
) WITHOUT ROWID;
CREATE INDEX park_timer_due ON park_timer (ns, due);

-- Groups; callback is a Submission as MessagePack; a member's ok is NULL until it has arrived.
CREATE TABLE grp (
    ns         INTEGER NOT NULL,
    id         TEXT NOT NULL,
    total      INTEGER NOT NULL,
    arrived    INTEGER NOT NULL DEFAULT 0,
    failed     INTEGER NOT NULL DEFAULT 0,
    collect    INTEGER NOT NULL,
    fired      INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL,
    callback   BLOB,
    PRIMARY KEY (ns, id)
) WITHOUT ROWID;
CREATE INDEX grp_over ON grp (ns, expires_at);
CREATE TABLE grp_member (
    ns    INTEGER NOT NULL,
    grp   TEXT NOT NULL,
    id    TEXT NOT NULL,
    place INTEGER NOT NULL,
    ok    INTEGER,
    value BLOB,
    PRIMARY KEY (ns, grp, id)
) WITHOUT ROWID;

CREATE TABLE lock (
    ns    INTEGER NOT NULL,
    name  TEXT NOT NULL,
    owner TEXT NOT NULL,
    token INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (ns, name)
) WITHOUT ROWID;
CREATE INDEX lock_over ON lock (ns, until);

CREATE TABLE inbox (
    seq     INTEGER PRIMARY KEY,
    ns      INTEGER NOT NULL,
    address TEXT NOT NULL,
    until   INTEGER NOT NULL,
    message BLOB NOT NULL
);
CREATE INDEX inbox_address ON inbox (ns, address, seq);
CREATE INDEX inbox_over    ON inbox (ns, until);

CREATE TABLE channel (
    seq     INTEGER PRIMARY KEY,
    ns      INTEGER NOT NULL,
    name    TEXT NOT NULL,
    until   INTEGER NOT NULL,
    message BLOB NOT NULL
);
CREATE INDEX channel_name ON channel (ns, name, seq);
CREATE INDEX channel_over ON channel (ns, until);
CREATE TABLE position (
    ns       INTEGER NOT NULL,
    channel  TEXT NOT NULL,
    listener TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (ns, channel, listener)
) WITHOUT ROWID;

CREATE TABLE present (
    ns      INTEGER NOT NULL,
    worker  TEXT NOT NULL,
    info    BLOB NOT NULL,
    seen_at INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (ns, worker)
) WITHOUT ROWID;

CREATE TABLE entry (
    ns      INTEGER NOT NULL,
    id      TEXT NOT NULL,
    spec    BLOB NOT NULL,
    next_at INTEGER,
    enabled INTEGER NOT NULL,
    last_at INTEGER,
    fired   INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (ns, id)
) WITHOUT ROWID;
CREATE INDEX entry_due ON entry (ns, next_at, id) WHERE enabled AND next_at IS NOT NULL;

CREATE TABLE schema_doc (
    ns       INTEGER NOT NULL,
    digest   TEXT NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (ns, digest)
) WITHOUT ROWID;

-- Who wants to be woken: workers by queue, the longest asleep first, and everybody else by topic. `address` is the
-- socket of the process.
CREATE TABLE sleeper (
    since   INTEGER PRIMARY KEY,
    ns      INTEGER NOT NULL,
    worker  TEXT NOT NULL,
    queue   TEXT NOT NULL,
    address TEXT NOT NULL,
    UNIQUE (ns, worker, queue)
);
CREATE INDEX sleeper_queue ON sleeper (ns, queue, since);
CREATE TABLE watcher (
    ns      INTEGER NOT NULL,
    topic   TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (ns, topic, address)
) WITHOUT ROWID;
