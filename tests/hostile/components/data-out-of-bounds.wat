;; A data segment that does not fit into the memory.
(memory (export "memory") 2)
(data (i32.const 131071) "xx")
