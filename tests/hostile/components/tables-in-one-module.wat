;; Two tables in one core module; the host gives a module one.
(table 1 funcref)
(table 1 funcref)
