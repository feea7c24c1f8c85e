;; A table of 40,000 elements, where memory leaves 64 KiB of the manifest's 1 MiB.
(memory (export "memory") 15)
(table 40000 funcref)
