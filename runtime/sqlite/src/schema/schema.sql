-- Version 6. docs/journal.md explains it to operators; `user_version` says which version a file has.
-- Times are milliseconds since 1970-01-01T00:00:00Z.

CREATE TABLE journal (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  name TEXT NOT NULL,                -- the first part of every delivery id
  next_sequence INTEGER NOT NULL,    -- of the next session; a number is never used again
  forgotten_generation INTEGER NOT NULL DEFAULT 0  -- as in `forgotten`, of tenants that have no row there
);

-- One row for each start of the program. A delivery's attempts are counted with it: see `delivery.run`.
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  began_at INTEGER NOT NULL,
  program TEXT NOT NULL,             -- the version of the program
  plugins TEXT,                      -- who was installed, as JSON: [[name, null or [tenant, …]], …]
  drain_reason TEXT,                 -- why it drained, if it did
  draining_at INTEGER,
  attaching INTEGER NOT NULL DEFAULT 0,  -- it tells nobody of the end of a session that is left, before that is recorded
  ended_at INTEGER                   -- when it ended cleanly: what came of its calls is on record, of every one
);

CREATE TABLE plugin (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

CREATE TABLE session (
  sequence INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  run INTEGER NOT NULL,              -- in which its owner last noted it
  facts TEXT NOT NULL,               -- all that is known of it, as JSON
  started TEXT,                      -- plugins that were owed its start, as a JSON array
  compactions INTEGER NOT NULL DEFAULT 0,
  ended_run INTEGER,                 -- NULL while it is active
  ended_at INTEGER,
  reason TEXT,
  first_run INTEGER NOT NULL DEFAULT 0,  -- in which it began: its end may have been tried in every one since
  scope TEXT NOT NULL DEFAULT '',    -- tells sessions of one id apart, where an owner's format has such
  recorded_at INTEGER                -- when its end was written down, by our clock; `ended_at` is its owner's
);
CREATE UNIQUE INDEX session_by_id ON session (tenant, id, generation);
CREATE INDEX session_active ON session (sequence) WHERE ended_run IS NULL;
CREATE INDEX session_ended ON session (tenant, id, scope, generation) WHERE ended_run IS NOT NULL;

-- The highest generation that an id of the tenant has had of which no row is left: an id without a row begins after it.
CREATE TABLE forgotten (
  tenant TEXT NOT NULL UNIQUE,
  generation INTEGER NOT NULL
);

-- Ends that owners have told of in the last seconds: one that is told again is known for that. A session of which anything is
-- heard after its end is not here any more.
CREATE TABLE recent_end (
  sequence INTEGER PRIMARY KEY,
  received_at INTEGER NOT NULL,      -- by our clock
  said INTEGER NOT NULL              -- what the end said, as the program numbers it
);

-- What is owed, and what was given up. A delivery that was made is not here any more.
CREATE TABLE delivery (
  sequence INTEGER NOT NULL,
  event TEXT NOT NULL,               -- session-start, session-compaction.N-PHASE, session-end
  plugin INTEGER NOT NULL,
  run INTEGER NOT NULL,              -- in which `attempt` was right; it and every later one without `ended_at` may have made one more
  attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0,
  late INTEGER NOT NULL DEFAULT 0,
  dead INTEGER NOT NULL DEFAULT 0,
  orphaned INTEGER NOT NULL DEFAULT 0,
  retry_at INTEGER,
  cause TEXT,                        -- of the last failure
  message TEXT,
  body TEXT NOT NULL,                -- the event, as JSON
  PRIMARY KEY (sequence, event, plugin)
) WITHOUT ROWID;

-- Ends that a drain made, of sessions whose end is not written down: the run's `drain_reason` is theirs. The next start
-- makes the rest, and moves them out of here.
CREATE TABLE drained (
  sequence INTEGER NOT NULL,
  plugin INTEGER NOT NULL,
  run INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  state INTEGER NOT NULL,            -- 0 delivered, 1 owed, 2 dead
  failures INTEGER NOT NULL DEFAULT 0,
  cause TEXT,
  message TEXT,
  PRIMARY KEY (sequence, plugin)
) WITHOUT ROWID;

-- Deliveries that were under way when runs died. What has had an outcome since is not here any more.
CREATE TABLE suspect (
  sequence INTEGER NOT NULL,
  event TEXT NOT NULL,
  plugin INTEGER NOT NULL,
  deaths INTEGER NOT NULL,           -- runs that died while it was under way
  alone INTEGER NOT NULL,            -- those of them in which nothing else was
  PRIMARY KEY (sequence, event, plugin)
) WITHOUT ROWID;

-- The owners' names for their lines, newest last. A name belongs to its kind of line and its session. Of a name that a
-- program of version 2 has written neither is known: both are empty.
CREATE TABLE op (
  number INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  op_id TEXT NOT NULL,
  session TEXT NOT NULL DEFAULT '',
  kind TEXT NOT NULL DEFAULT '',     -- session-start, session-compaction, session-end
  scope TEXT NOT NULL DEFAULT '',    -- the session's
  generation INTEGER NOT NULL,
  UNIQUE (tenant, op_id, session, kind, scope)
);

-- What plugins have stored with the grant `keyvalue`.
CREATE TABLE space (
  id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  plugin TEXT NOT NULL,
  bytes INTEGER NOT NULL,            -- what counts for quotas
  UNIQUE (tenant, plugin)
);
CREATE TABLE key_value (
  space INTEGER NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  UNIQUE (space, key)
);

-- What could not be recorded by itself, the newest of it: for people. What it was about is owed, or active, as it was before.
CREATE TABLE set_aside (
  number INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  at INTEGER NOT NULL,
  tenant TEXT NOT NULL,              -- empty when it is nobody's
  session TEXT NOT NULL,             -- the same
  what TEXT NOT NULL,                -- all that is known of it, as JSON
  why TEXT NOT NULL                  -- what SQLite said
);

CREATE VIEW active_session AS
  SELECT sequence, tenant, id, generation, compactions, facts FROM session WHERE ended_run IS NULL;

CREATE VIEW owed AS
  SELECT (SELECT name FROM journal) || '.' || d.sequence || '/' || d.event || '/' || p.name AS delivery,
         s.tenant, s.id AS session, s.generation, s.reason, p.name AS plugin,
         CASE WHEN d.dead THEN 'dead' WHEN d.orphaned THEN 'orphaned' ELSE 'owed' END AS state,
         d.attempt, d.failures, d.late, datetime(d.retry_at / 1000, 'unixepoch') AS retry_at, d.cause, d.message
  FROM delivery d JOIN plugin p ON p.id = d.plugin JOIN session s ON s.sequence = d.sequence;
