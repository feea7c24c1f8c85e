;; Answers with a body that ends outside of the memory.
(func (export "handle") (param i32) (result i32)
  (i32.store (i32.const 16392) (i32.const 1))
  (i32.store (i32.const 16404) (i32.const 131071))
  (i32.store (i32.const 16408) (i32.const 2))
  (i32.const 16384))
