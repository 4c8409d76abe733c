"""The engine in one SQLite file, for all processes of one machine; durable, and nothing to set up."""

from stem.sqlite.engine import SqliteEngine as SqliteEngine
