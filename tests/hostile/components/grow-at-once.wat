;; Asks for 512 MiB at once.
(func (export "handle") (param i32) (result i32)
  (drop (memory.grow (i32.const 8192)))
  (i32.const 1024))
