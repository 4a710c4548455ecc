-- A journal as version 2 left it. `made` was reset: its end is owed to `flaky`, dead with `never`, orphaned with `gone`. `left`
-- was active when the first run was killed: its end is owed to `flaky` and `hangs`, and dead with `never`. The second run
-- drained `open` for a restart: `good` and `counter` have its end, `flaky` and `hangs` are owed it, with `never` it is dead.
-- `counter` has counted three ends.
PRAGMA application_id = 0x4c737457;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE journal (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  name TEXT NOT NULL,                -- the first part of every delivery id
  next_sequence INTEGER NOT NULL     -- of the next session; a number is never used again
);
INSERT INTO journal VALUES(1,'7ggltcy3',4);
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  began_at INTEGER NOT NULL,
  program TEXT NOT NULL,             -- the version of the program
  plugins TEXT,                      -- who was installed, as JSON: [[name, null or [tenant, …]], …]
  drain_reason TEXT,                 -- why it drained, if it did
  draining_at INTEGER
);
INSERT INTO run VALUES(1,1795848732251,'0.1.0','[["good",null],["flaky",null],["never",null],["counter",null],["gone",null]]',NULL,NULL);
INSERT INTO run VALUES(2,1795848757570,'0.1.0','[["good",null],["flaky",null],["never",null],["counter",null],["hangs",null]]','restart',1795848760802);
CREATE TABLE plugin (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);
INSERT INTO plugin VALUES(1,'good');
INSERT INTO plugin VALUES(2,'flaky');
INSERT INTO plugin VALUES(3,'never');
INSERT INTO plugin VALUES(4,'counter');
INSERT INTO plugin VALUES(5,'gone');
INSERT INTO plugin VALUES(6,'hangs');
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
  first_run INTEGER NOT NULL DEFAULT 0  -- in which it began: its end may have been tried in every one since
);
INSERT INTO session VALUES(1,'acme','made',1,1,'{"tenant":"acme","id":"made","generation":1,"cwd":"/work/made","started_at":"2026-11-28T06:52:12.253Z"}','["good"]',1,1,1795848732253,'reset',1);
INSERT INTO session VALUES(2,'acme','left',1,1,'{"tenant":"acme","id":"left","generation":1,"cwd":"/work/left","started_at":"2026-11-28T06:52:12.253Z"}','["good"]',0,1,1795848757581,'crashed',1);
INSERT INTO session VALUES(3,'acme','open',1,2,'{"tenant":"acme","id":"open","generation":1,"cwd":"/work/open","started_at":"2026-11-28T06:52:37.583Z"}','["good"]',0,NULL,NULL,NULL,2);
CREATE TABLE delivery (
  sequence INTEGER NOT NULL,
  event TEXT NOT NULL,               -- session-start, session-compaction.N-PHASE, session-end
  plugin INTEGER NOT NULL,
  run INTEGER NOT NULL,              -- in which `attempt` was right; every later run may have made one more
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
INSERT INTO delivery VALUES(1,'session-end',2,2,6,5,0,0,0,1795848775727,'retry','not now','{"End":{"reason":"reset","raw_reason":"reset","ended_at":"2026-11-28T06:52:12.253Z","duration_ms":0,"message_count":null,"next_session_id":null,"next_session_key":null,"attributes":[]}}');
INSERT INTO delivery VALUES(1,'session-end',3,1,1,1,0,1,0,NULL,'fatal','never','{"End":{"reason":"reset","raw_reason":"reset","ended_at":"2026-11-28T06:52:12.253Z","duration_ms":0,"message_count":null,"next_session_id":null,"next_session_key":null,"attributes":[]}}');
INSERT INTO delivery VALUES(1,'session-end',5,1,3,3,0,0,1,1795848736943,'retry','not now','{"End":{"reason":"reset","raw_reason":"reset","ended_at":"2026-11-28T06:52:12.253Z","duration_ms":0,"message_count":null,"next_session_id":null,"next_session_key":null,"attributes":[]}}');
INSERT INTO delivery VALUES(2,'session-end',2,2,5,4,0,0,0,1795848767809,'retry','not now','{"End":{"reason":"crashed","raw_reason":null,"ended_at":"2026-11-28T06:52:37.581Z","duration_ms":25328,"message_count":null,"next_session_id":null,"next_session_key":null,"attributes":[]}}');
INSERT INTO delivery VALUES(2,'session-end',3,2,2,1,0,1,0,NULL,'fatal','never','{"End":{"reason":"crashed","raw_reason":null,"ended_at":"2026-11-28T06:52:37.581Z","duration_ms":25328,"message_count":null,"next_session_id":null,"next_session_key":null,"attributes":[]}}');
INSERT INTO delivery VALUES(2,'session-end',6,2,4,3,0,0,0,1795848765524,'deadline','cut after 500 ms','{"End":{"reason":"crashed","raw_reason":null,"ended_at":"2026-11-28T06:52:37.581Z","duration_ms":25328,"message_count":null,"next_session_id":null,"next_session_key":null,"attributes":[]}}');
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
INSERT INTO drained VALUES(3,1,2,1,0,0,NULL,NULL);
INSERT INTO drained VALUES(3,2,2,1,1,1,'retry','not now');
INSERT INTO drained VALUES(3,3,2,1,2,1,'fatal','never');
INSERT INTO drained VALUES(3,4,2,1,0,0,NULL,NULL);
INSERT INTO drained VALUES(3,6,2,1,1,1,'deadline','cut after 500 ms');
CREATE TABLE op (
  number INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  op_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  UNIQUE (tenant, op_id)
);
INSERT INTO op VALUES(1,'acme','op-made',1);
INSERT INTO op VALUES(2,'acme','op-left',1);
INSERT INTO op VALUES(3,'acme','op-compact',1);
INSERT INTO op VALUES(4,'acme','op-end',1);
INSERT INTO op VALUES(5,'acme','op-open',1);
CREATE TABLE space (
  id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  plugin TEXT NOT NULL,
  bytes INTEGER NOT NULL,            -- what counts for quotas
  UNIQUE (tenant, plugin)
);
INSERT INTO space VALUES(1,'acme','counter',69);
CREATE TABLE key_value (
  space INTEGER NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  UNIQUE (space, key)
);
INSERT INTO key_value VALUES(1,'ends',X'33');
CREATE UNIQUE INDEX session_by_id ON session (tenant, id, generation);
CREATE INDEX session_active ON session (sequence) WHERE ended_run IS NULL;
CREATE VIEW active_session AS
  SELECT sequence, tenant, id, generation, compactions, facts FROM session WHERE ended_run IS NULL;
CREATE VIEW owed AS
  SELECT (SELECT name FROM journal) || '.' || d.sequence || '/' || d.event || '/' || p.name AS delivery,
         s.tenant, s.id AS session, s.generation, s.reason, p.name AS plugin,
         CASE WHEN d.dead THEN 'dead' WHEN d.orphaned THEN 'orphaned' ELSE 'owed' END AS state,
         d.attempt, d.failures, d.late, datetime(d.retry_at / 1000, 'unixepoch') AS retry_at, d.cause, d.message
  FROM delivery d JOIN plugin p ON p.id = d.plugin JOIN session s ON s.sequence = d.sequence;
COMMIT;
