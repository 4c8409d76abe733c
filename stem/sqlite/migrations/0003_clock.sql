-- What holds when the clock of the machine is set: see docs/internals/engines.md.

-- What is known of who holds the lease: 0 nothing, 1 that it renews, 2 that it should have renewed.
ALTER TABLE job ADD COLUMN doubt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN doubt INTEGER NOT NULL DEFAULT 0;

-- When a timer was set: one that was set in the future was set before the clock went back.
ALTER TABLE park_timer ADD COLUMN set_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX park_timer_set ON park_timer (ns, set_at);
