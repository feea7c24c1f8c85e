;; Two memories in one core module; the host gives a module one.
(memory (export "memory") 2)
(memory 1)
