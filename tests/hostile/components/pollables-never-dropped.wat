;; Has the host hold one timer more with every turn.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
(func (export "handle") (param i32) (result i32)
  (loop $on
    (drop (call $after (i64.const 31536000000000000)))
    (br $on))
  unreachable)
