;; Sleeps for a year.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
(func (export "handle") (param i32) (result i32)
  (call $block (call $after (i64.const 31536000000000000)))
  (i32.const 1024))
