;; Asks a timer of an hour again and again whether it is time.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.ready" (func $ready (param i32) (result i32)))
(func (export "handle") (param i32) (result i32)
  (local $timer i32)
  (local.set $timer (call $after (i64.const 3600000000000)))
  (loop $on (br_if $on (i32.eqz (call $ready (local.get $timer)))))
  (i32.const 1024))
