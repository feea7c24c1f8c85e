;; Four memories of 8 MiB: each is within 16 MiB, together they are not.
(memory (export "memory") 128)
(memory 128)
(memory 128)
(memory 128)
