;; Fails with a kind that only the host may use.
(func (export "handle") (param i32) (result i32)
  (i32.store8 (i32.const 16384) (i32.const 1))
  (i32.store (i32.const 16392) (i32.const 2048)) (i32.store (i32.const 16396) (i32.const 5))
  (i32.const 16384))
(data (i32.const 2048) "fatal")
