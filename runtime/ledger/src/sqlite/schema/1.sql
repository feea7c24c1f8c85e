-- Rowids (`seq`) are places in an order; every key and index begins with the tenant.

CREATE TABLE lease (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL
) STRICT;
INSERT INTO lease (one, epoch) VALUES (1, 0);

CREATE TABLE notifications (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  source TEXT NOT NULL,
  subscription TEXT,
  received INTEGER NOT NULL,
  method TEXT NOT NULL,
  path BLOB NOT NULL,
  headers BLOB NOT NULL,
  format TEXT,
  body BLOB NOT NULL,
  size INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'resolved', 'control', 'dead')),
  code TEXT,
  message BLOB
) STRICT;
CREATE INDEX notifications_open ON notifications (tenant, seq) WHERE state = 'open';
CREATE INDEX notifications_dead ON notifications (tenant, seq) WHERE state = 'dead';

CREATE TABLE marks (
  tenant TEXT NOT NULL,
  source TEXT NOT NULL,
  resource TEXT NOT NULL,
  version TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  deleted INTEGER NOT NULL,
  occurred INTEGER,
  PRIMARY KEY (tenant, source, resource)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  tenant TEXT NOT NULL,
  event TEXT NOT NULL,
  body BLOB NOT NULL,
  content_type TEXT NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (tenant, event)
) STRICT;

CREATE TABLE runs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  run TEXT NOT NULL,
  bot TEXT NOT NULL,
  event TEXT NOT NULL,
  release TEXT NOT NULL,
  source TEXT,
  lane TEXT NOT NULL,
  resource TEXT,
  version TEXT,
  trigger TEXT NOT NULL,
  timer TEXT,
  hop INTEGER NOT NULL,
  received INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'recorded', 'done', 'superseded', 'rejected', 'dead', 'late')),
  not_before INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  conflicts INTEGER NOT NULL DEFAULT 0,
  ended INTEGER,
  failure BLOB,
  UNIQUE (tenant, run),
  UNIQUE (tenant, bot, event),
  FOREIGN KEY (tenant, event) REFERENCES events (tenant, event)
) STRICT;
CREATE INDEX runs_open ON runs (tenant, bot, seq) WHERE state IN ('pending', 'recorded');
CREATE INDEX runs_tenant ON runs (tenant, seq);
CREATE INDEX runs_state ON runs (tenant, state, seq, bot);
CREATE INDEX runs_resource ON runs (tenant, bot, source, resource) WHERE state = 'pending' AND resource IS NOT NULL;
CREATE INDEX runs_timer ON runs (tenant, bot, lane, timer) WHERE state = 'pending' AND timer IS NOT NULL;

-- What an attempt decided. `live`: it may be on the server and is to be sent as it is, or found there.
CREATE TABLE recorded (
  tenant TEXT NOT NULL,
  run TEXT NOT NULL,
  live INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  release TEXT NOT NULL,
  effects BLOB NOT NULL,
  bundle BLOB NOT NULL,
  fence_slot INTEGER,
  fence_reference TEXT,
  fence_version TEXT,
  result_type TEXT,
  result BLOB,
  wrote BLOB,
  urns BLOB,
  PRIMARY KEY (tenant, run),
  FOREIGN KEY (tenant, run) REFERENCES runs (tenant, run)
) STRICT;

CREATE TABLE attempts (
  tenant TEXT NOT NULL,
  run TEXT NOT NULL,
  number INTEGER NOT NULL,
  release TEXT NOT NULL,
  started INTEGER NOT NULL,
  ended INTEGER,
  failure BLOB,
  journal BLOB,
  PRIMARY KEY (tenant, run, number),
  FOREIGN KEY (tenant, run) REFERENCES runs (tenant, run)
) STRICT;

CREATE TABLE logs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  bot TEXT NOT NULL,
  run TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  at INTEGER NOT NULL,
  level TEXT NOT NULL,
  text BLOB NOT NULL
) STRICT;
CREATE INDEX logs_tenant ON logs (tenant, seq);
CREATE INDEX logs_run ON logs (tenant, run, seq);

CREATE TABLE own_writes (
  tenant TEXT NOT NULL,
  source TEXT NOT NULL,
  resource TEXT NOT NULL,
  version TEXT NOT NULL,
  bot TEXT NOT NULL,
  hop INTEGER NOT NULL,
  run TEXT NOT NULL,
  PRIMARY KEY (tenant, source, resource, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE timers (
  tenant TEXT NOT NULL,
  bot TEXT NOT NULL,
  lane TEXT NOT NULL,
  key TEXT NOT NULL,
  due INTEGER NOT NULL,
  set_by TEXT NOT NULL,
  source TEXT,
  hop INTEGER NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (tenant, bot, lane, key)
) STRICT;
CREATE INDEX timers_due ON timers (tenant, due);

CREATE TABLE cron_marks (
  tenant TEXT NOT NULL,
  bot TEXT NOT NULL,
  schedule TEXT NOT NULL,
  zone TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (tenant, bot, schedule, zone)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  tenant TEXT NOT NULL,
  run TEXT NOT NULL,
  key TEXT NOT NULL,
  bot TEXT NOT NULL,
  lane TEXT NOT NULL,
  source TEXT,
  hop INTEGER NOT NULL,
  item BLOB NOT NULL,
  idempotency TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'done')),
  attempts INTEGER NOT NULL DEFAULT 0,
  due INTEGER NOT NULL,
  staged INTEGER NOT NULL,
  PRIMARY KEY (tenant, run, key),
  FOREIGN KEY (tenant, run) REFERENCES runs (tenant, run)
) STRICT;
CREATE INDEX outbox_due ON outbox (tenant, due) WHERE state = 'waiting';

CREATE TABLE fences (
  tenant TEXT NOT NULL,
  source TEXT NOT NULL,
  slot INTEGER NOT NULL,
  reference TEXT NOT NULL,
  version TEXT,
  held_by TEXT,
  PRIMARY KEY (tenant, source, slot),
  UNIQUE (tenant, source, held_by)
) STRICT, WITHOUT ROWID;

CREATE TABLE sources (
  tenant TEXT NOT NULL,
  source TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (tenant, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE releases (
  tenant TEXT NOT NULL,
  digest TEXT NOT NULL,
  manifest TEXT NOT NULL,
  manifest_text TEXT NOT NULL,
  created INTEGER NOT NULL,
  component BLOB NOT NULL,
  PRIMARY KEY (tenant, digest)
) STRICT;

CREATE TABLE deployments (
  tenant TEXT NOT NULL,
  bot TEXT NOT NULL,
  release TEXT NOT NULL,
  source TEXT,
  settings TEXT NOT NULL,
  deployed INTEGER NOT NULL,
  active INTEGER NOT NULL,
  PRIMARY KEY (tenant, bot),
  FOREIGN KEY (tenant, release) REFERENCES releases (tenant, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE subscriptions (
  tenant TEXT NOT NULL,
  source TEXT NOT NULL,
  key TEXT NOT NULL,
  bot TEXT NOT NULL,
  trigger INTEGER NOT NULL,
  reference TEXT,
  criteria TEXT NOT NULL,
  since INTEGER,
  status TEXT NOT NULL,
  last_event INTEGER,
  PRIMARY KEY (tenant, source, key)
) STRICT, WITHOUT ROWID;
