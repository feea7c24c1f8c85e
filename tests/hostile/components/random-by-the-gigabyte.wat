;; Asks for a gigabyte of randomness.
(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
(func (export "handle") (param i32) (result i32)
  (call $random (i64.const 0x40000000) (i32.const 4096))
  (i32.const 1024))
