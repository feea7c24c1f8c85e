;; A memory that threads could share.
(memory (export "memory") 2)
(memory 1 1 shared)
