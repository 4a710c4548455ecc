-- A journal as version 3 left it: OpenClaw's sessions, after a kill. `main` is active, with a key, and `keyless`, without one.
-- `other` has ended for a reason that is OpenClaw's own, and has the name of one of ours: its end is owed to `starves`.
PRAGMA application_id = 0x4c737457;
PRAGMA user_version = 3;
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
INSERT INTO "delivery" VALUES(2,'session-end',2,1,2,2,0,0,0,1795861089655,'fuel','used up its 600 units of fuel','{"End":{"reason":"clear","raw_reason":"clear","ended_at":"2026-11-21T05:53:41.000Z","duration_ms":999,"message_count":null,"next_session_id":null,"next_session_key":null,"attributes":[]}}');
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
INSERT INTO "journal" VALUES(1,'0qm34tpb',4);
CREATE TABLE key_value (
  space INTEGER NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  UNIQUE (space, key)
);
CREATE TABLE op (
  number INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  op_id TEXT NOT NULL,
  session TEXT NOT NULL DEFAULT '',
  kind TEXT NOT NULL DEFAULT '',     -- session-start, session-compaction, session-end
  generation INTEGER NOT NULL,
  UNIQUE (tenant, op_id, session, kind)
);
INSERT INTO "op" VALUES(1,'default','op-main','main','session-start',1);
INSERT INTO "op" VALUES(2,'default','op-end','other','session-end',1);
CREATE TABLE plugin (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);
INSERT INTO "plugin" VALUES(1,'echo');
INSERT INTO "plugin" VALUES(2,'starves');
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  began_at INTEGER NOT NULL,
  program TEXT NOT NULL,             -- the version of the program
  plugins TEXT,                      -- who was installed, as JSON: [[name, null or [tenant, …]], …]
  drain_reason TEXT,                 -- why it drained, if it did
  draining_at INTEGER,
  attaching INTEGER NOT NULL DEFAULT 0  -- it tells nobody of the end of a session that is left, before that is recorded
);
INSERT INTO "run" VALUES(1,1795861087030,'0.1.0','[["echo",null],["starves",null]]',NULL,NULL,0);
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
INSERT INTO "session" VALUES(1,'default','main',1,1,'{"tenant":"default","id":"main","generation":1,"key":"agent:a:main","agent_id":"a","owner_kind":"openclaw","started_at":"2026-11-21T05:53:40.000Z"}','["echo","starves"]',0,NULL,NULL,NULL,1);
INSERT INTO "session" VALUES(2,'default','other',1,1,'{"tenant":"default","id":"other","generation":1,"key":"agent:b:main","agent_id":"b","owner_kind":"openclaw","started_at":"2026-11-21T05:53:40.001Z"}','["echo","starves"]',0,1,1795240421000,'clear',1);
INSERT INTO "session" VALUES(3,'default','keyless',1,1,'{"tenant":"default","id":"keyless","generation":1,"agent_id":"b","owner_kind":"openclaw","started_at":"2026-11-21T05:53:41.000Z"}','["echo","starves"]',0,NULL,NULL,NULL,1);
CREATE TABLE space (
  id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  plugin TEXT NOT NULL,
  bytes INTEGER NOT NULL,            -- what counts for quotas
  UNIQUE (tenant, plugin)
);
CREATE TABLE suspect (
  sequence INTEGER NOT NULL,
  event TEXT NOT NULL,
  plugin INTEGER NOT NULL,
  deaths INTEGER NOT NULL,           -- runs that died while it was under way
  alone INTEGER NOT NULL,            -- those of them in which nothing else was
  PRIMARY KEY (sequence, event, plugin)
) WITHOUT ROWID;
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
