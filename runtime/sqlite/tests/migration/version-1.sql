-- A journal as version 1 left it: `made` has ended (delivered to two plugins, failed once with another, dead with the
-- fourth), `left` was active when the program was killed, and `counter` has counted one end.
PRAGMA application_id = 0x4c737457;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
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
INSERT INTO "delivery" VALUES(1,'session-end',2,1,1,1,0,0,0,1795281192021,'retry','not now','{"End":{"reason":"reset","raw_reason":"reset","ended_at":"2026-11-21T17:13:11.139Z","duration_ms":0,"message_count":null,"next_session_id":null,"next_session_key":null,"attributes":[]}}');
INSERT INTO "delivery" VALUES(1,'session-end',3,1,1,1,0,1,0,NULL,'fatal','never','{"End":{"reason":"reset","raw_reason":"reset","ended_at":"2026-11-21T17:13:11.139Z","duration_ms":0,"message_count":null,"next_session_id":null,"next_session_key":null,"attributes":[]}}');
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
CREATE TABLE journal (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  name TEXT NOT NULL,                -- the first part of every delivery id
  next_sequence INTEGER NOT NULL     -- of the next session; a number is never used again
);
INSERT INTO "journal" VALUES(1,'ptoe304r',3);
CREATE TABLE key_value (
  space INTEGER NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  UNIQUE (space, key)
);
INSERT INTO "key_value" VALUES(1,'ends',X'31');
CREATE TABLE op (
  number INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  op_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  UNIQUE (tenant, op_id)
);
INSERT INTO "op" VALUES(1,'acme','op-made',1);
INSERT INTO "op" VALUES(2,'acme','op-left',1);
CREATE TABLE plugin (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);
INSERT INTO "plugin" VALUES(1,'good');
INSERT INTO "plugin" VALUES(2,'flaky');
INSERT INTO "plugin" VALUES(3,'never');
INSERT INTO "plugin" VALUES(4,'counter');
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  began_at INTEGER NOT NULL,
  program TEXT NOT NULL,             -- the version of the program
  plugins TEXT,                      -- who was installed, as JSON: [[name, null or [tenant, …]], …]
  drain_reason TEXT,                 -- why it drained, if it did
  draining_at INTEGER
);
INSERT INTO "run" VALUES(1,1795281191138,'0.1.0','[["good",null],["flaky",null],["never",null],["counter",null]]',NULL,NULL);
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
  reason TEXT
);
INSERT INTO "session" VALUES(1,'acme','made',1,1,'{"tenant":"acme","id":"made","generation":1,"cwd":"/work/made","started_at":"2026-11-21T17:13:11.139Z"}','["good"]',0,1,1795281191139,'reset');
INSERT INTO "session" VALUES(2,'acme','left',1,1,'{"tenant":"acme","id":"left","generation":1,"cwd":"/work/left","started_at":"2026-11-21T17:13:11.139Z"}','["good"]',1,NULL,NULL,NULL);
CREATE TABLE space (
  id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  plugin TEXT NOT NULL,
  bytes INTEGER NOT NULL,            -- what counts for quotas
  UNIQUE (tenant, plugin)
);
INSERT INTO "space" VALUES(1,'acme','counter',69);
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
