;; Waits for the first of 5,000 timers of a year.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (local $at i32)
  (local.set $at (i32.const 8192))
  (loop $more
    (i32.store (local.get $at) (call $after (i64.const 31536000000000000)))
    (local.set $at (i32.add (local.get $at) (i32.const 4)))
    (br_if $more (i32.lt_u (local.get $at) (i32.const 28192))))
  (call $poll (i32.const 8192) (i32.const 5000) (i32.const 4096))
  (i32.const 1024))
