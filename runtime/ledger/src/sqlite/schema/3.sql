-- Dead letters are found by reason and time. A reason's code is no patient data: what a bot made up is kept as `other`.
ALTER TABLE runs ADD COLUMN code TEXT;
UPDATE runs SET code = CASE
    WHEN NOT json_valid(CAST(failure AS TEXT)) THEN 'other'
    WHEN json_extract(CAST(failure AS TEXT), '$.code') GLOB '*[^a-z0-9-]*' THEN 'other'
    ELSE json_extract(CAST(failure AS TEXT), '$.code') END
  WHERE state = 'dead';
CREATE INDEX runs_dead ON runs (tenant, seq, bot, source, code, ended) WHERE state = 'dead';

-- `cut`: a part of the body is lost, so that it cannot be read again.
ALTER TABLE notifications ADD COLUMN cut INTEGER NOT NULL DEFAULT 0;
UPDATE notifications SET cut = size > length(body) WHERE state = 'dead';
DROP INDEX notifications_dead;
CREATE INDEX notifications_dead ON notifications (tenant, seq, source, code, received, cut) WHERE state = 'dead';

-- Timers are shared out over bots.
DROP INDEX timers_due;
CREATE INDEX timers_due ON timers (tenant, bot, due);

-- `sending`: its bytes may have left. `host`: whom it goes to; empty where an earlier Hob staged it.
CREATE TABLE requests (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  run TEXT NOT NULL,
  key TEXT NOT NULL,
  bot TEXT NOT NULL,
  lane TEXT NOT NULL,
  source TEXT,
  hop INTEGER NOT NULL,
  item BLOB NOT NULL,
  idempotency TEXT NOT NULL,
  host TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'done', 'dead')),
  attempts INTEGER NOT NULL DEFAULT 0,
  round INTEGER NOT NULL DEFAULT 0,
  due INTEGER NOT NULL,
  staged INTEGER NOT NULL,
  ended INTEGER,
  code TEXT,
  message BLOB,
  UNIQUE (tenant, run, key),
  FOREIGN KEY (tenant, run) REFERENCES runs (tenant, run)
) STRICT;
INSERT INTO requests (tenant, run, key, bot, lane, source, hop, item, idempotency, host, state, attempts, due, staged)
  SELECT tenant, run, key, bot, lane, source, hop, item, idempotency, '', state, attempts, due, staged FROM outbox ORDER BY staged;
DROP TABLE outbox;
ALTER TABLE requests RENAME TO outbox;
CREATE INDEX outbox_due ON outbox (tenant, bot, host, due, seq) WHERE state = 'waiting';
CREATE INDEX outbox_sending ON outbox (tenant, bot, host) WHERE state = 'sending';
CREATE INDEX outbox_dead ON outbox (tenant, seq, bot, source, code, ended) WHERE state = 'dead';
