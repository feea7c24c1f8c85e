;; Fails with a message that is no UTF-8.
(func (export "handle") (param i32) (result i32)
  (i32.store8 (i32.const 16384) (i32.const 1))
  (i32.store (i32.const 16408) (i32.const 2048)) (i32.store (i32.const 16412) (i32.const 1))
  (i32.const 16384))
(data (i32.const 2048) "\80")
