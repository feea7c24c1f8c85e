;; Runs out of stack while the host lowers the event.
(func $down (param i32) (result i32)
  (i32.add (call $down (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (call $down (i32.const 0)))
