;; Four tables of 40,000 elements where the manifest gives 1 MiB in all.
(table 40000 funcref)
(table 40000 funcref)
(table 40000 funcref)
(table 40000 funcref)
