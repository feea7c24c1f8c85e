;; A memory of 64-bit addresses beside its own.
(memory (export "memory") 2)
(memory i64 1)
