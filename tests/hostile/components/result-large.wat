;; Answers with 16 KiB where the manifest gives 8.
(func (export "handle") (param i32) (result i32)
  (i32.store (i32.const 16392) (i32.const 1))
  (i32.store (i32.const 16404) (i32.const 32768))
  (i32.store (i32.const 16408) (i32.const 16384))
  (i32.const 16384))
