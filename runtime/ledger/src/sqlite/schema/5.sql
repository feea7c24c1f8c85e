-- Encryption at rest: the tenants' data keys, wrapped. Generation 0 is the key for names.
CREATE TABLE data_keys (
  tenant TEXT NOT NULL,
  generation INTEGER NOT NULL,
  wrapped BLOB NOT NULL,
  created INTEGER,
  PRIMARY KEY (tenant, generation)
) STRICT, WITHOUT ROWID;

-- The master key that wraps them: its name, never the key.
CREATE TABLE master_key (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id TEXT NOT NULL
) STRICT;

-- How far values of older generations were written anew; no row where nothing is left to do.
CREATE TABLE reseal (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  step INTEGER NOT NULL,
  after INTEGER NOT NULL
) STRICT;

-- What a backup is of; empty in a ledger in use.
CREATE TABLE manifest (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  body TEXT NOT NULL
) STRICT;

-- Whether an event's last run is gone: pruning asks, and so does the foreign key.
CREATE INDEX runs_event ON runs (tenant, event);
