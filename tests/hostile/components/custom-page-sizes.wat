;; A memory whose pages have one byte.
(memory (export "memory") 2)
(memory 1 (pagesize 1))
