-- What a run waited for when it ended without success.

ALTER TABLE run ADD COLUMN waited_for TEXT NOT NULL DEFAULT '';
