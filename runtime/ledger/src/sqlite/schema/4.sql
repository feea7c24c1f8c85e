-- Dead letters that hold their lane are read with the open runs; and the open runs of one lane by themselves.

ALTER TABLE runs ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
DROP INDEX runs_open;
CREATE INDEX runs_open ON runs (tenant, bot, seq) WHERE state IN ('pending', 'recorded') OR held;
CREATE INDEX runs_lane ON runs (tenant, bot, lane, seq) WHERE state IN ('pending', 'recorded') OR held;
