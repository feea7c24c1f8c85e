;; Answers with nothing, and a media type of 16 KiB.
(func (export "handle") (param i32) (result i32)
  (memory.fill (i32.const 32768) (i32.const 0x78) (i32.const 16384))
  (i32.store (i32.const 16392) (i32.const 1))
  (i32.store (i32.const 16396) (i32.const 32768))
  (i32.store (i32.const 16400) (i32.const 16384))
  (i32.const 16384))
