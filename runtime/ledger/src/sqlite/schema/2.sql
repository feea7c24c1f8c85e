-- How far each type of each source was swept. `seen` is by the source's clock, `looked` by the host's.
CREATE TABLE sweeps (
  tenant TEXT NOT NULL,
  source TEXT NOT NULL,
  type TEXT NOT NULL,
  seen INTEGER NOT NULL,
  looked INTEGER NOT NULL,
  PRIMARY KEY (tenant, source, type)
) STRICT, WITHOUT ROWID;

-- Each source's notifications for themselves: one that does not answer must not be read over again and again.
CREATE INDEX notifications_open_of ON notifications (tenant, source, seq) WHERE state = 'open';
