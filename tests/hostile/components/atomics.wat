;; Waits for a notification that no thread can send.
(memory (export "memory") 2)
(memory $shared 1 1 shared)
(func (export "handle") (param i32) (result i32)
  (memory.atomic.wait32 $shared (i32.const 0) (i32.const 0) (i64.const -1)))
