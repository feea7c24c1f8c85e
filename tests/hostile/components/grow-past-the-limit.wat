;; Takes all of 1 MiB, and then one page.
(func (export "handle") (param i32) (result i32)
  (if (i32.eq (memory.grow (i32.sub (i32.const 16) (memory.size))) (i32.const -1)) (then unreachable))
  (drop (memory.grow (i32.const 1)))
  (i32.const 1024))
