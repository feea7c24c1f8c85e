;; Takes all of 1 MiB, writes to its last byte, and is content. Not hostile: it holds the next one to its word.
(func (export "handle") (param i32) (result i32)
  (if (i32.eq (memory.grow (i32.sub (i32.const 16) (memory.size))) (i32.const -1)) (then unreachable))
  (i32.store8 (i32.const 0xfffff) (i32.const 1))
  (i32.const 1024))
