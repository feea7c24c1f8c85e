;; Fails, and asks to be tried again in 2^64-1 milliseconds.
(func (export "handle") (param i32) (result i32)
  (i32.store8 (i32.const 16384) (i32.const 1))
  (i32.store8 (i32.const 16416) (i32.const 1))
  (i64.store (i32.const 16424) (i64.const -1))
  (i32.const 16384))
