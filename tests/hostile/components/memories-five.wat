;; Five memories; the host gives four.
(memory (export "memory") 2)
(memory 1)
(memory 1)
(memory 1)
(memory 1)
