;; Gives the worker back after every step, and never ends.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
(import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop (param i32)))
(func (export "handle") (param i32) (result i32)
  (local $timer i32)
  (loop $on
    (local.set $timer (call $after (i64.const 1)))
    (call $block (local.get $timer))
    (call $drop (local.get $timer))
    (br $on))
  unreachable)
