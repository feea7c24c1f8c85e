;; Gives a timer where a document is wanted.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
(import "hob:bot/document@0.1.1" "[method]document.bytes" (func $bytes (param i32 i32)))
(func (export "handle") (param i32) (result i32)
  (call $bytes (call $after (i64.const 1)) (i32.const 4200))
  (i32.const 1024))
