;; Answers with a media type that is no UTF-8.
(func (export "handle") (param i32) (result i32)
  (i32.store (i32.const 16392) (i32.const 1))
  (i32.store (i32.const 16396) (i32.const 2048))
  (i32.store (i32.const 16400) (i32.const 2))
  (i32.const 16384))
(data (i32.const 2048) "\c3\28")
