-- Releases that get live events and do nothing: how they would have done. `floor`: every run up to it is settled.
CREATE TABLE observations (
  tenant TEXT NOT NULL,
  bot TEXT NOT NULL,
  release TEXT NOT NULL,
  source TEXT NOT NULL,
  settings TEXT NOT NULL,
  first INTEGER NOT NULL,
  began INTEGER NOT NULL,
  floor INTEGER NOT NULL,
  counts TEXT NOT NULL,
  PRIMARY KEY (tenant, bot),
  FOREIGN KEY (tenant, release) REFERENCES releases (tenant, digest)
) STRICT, WITHOUT ROWID;

-- A run that was observed: with a body where it is an example, without where it is only known to be settled.
CREATE TABLE observed (
  tenant TEXT NOT NULL,
  run TEXT NOT NULL,
  bot TEXT NOT NULL,
  seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  body BLOB,
  PRIMARY KEY (tenant, run)
) STRICT;
CREATE INDEX observed_bot ON observed (tenant, bot, seq);
CREATE INDEX observed_kind ON observed (tenant, bot, kind, seq) WHERE body IS NOT NULL;
