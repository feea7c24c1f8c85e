-- What runs ask outside in their midst: a row before it is sent. Without an answer nobody knows what became of it.
CREATE TABLE asks (
  tenant TEXT NOT NULL,
  run TEXT NOT NULL,
  ask TEXT NOT NULL,
  answer BLOB,
  PRIMARY KEY (tenant, run, ask),
  FOREIGN KEY (tenant, run) REFERENCES runs (tenant, run)
) STRICT;
