;; Sets a timer under another key with every turn.
(import "hob:bot/timers@0.1.1" "set" (func $set (param i32 i32 i32 i32 i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (loop $on
    (i32.store8 (i32.const 2048) (i32.add (i32.rem_u (i32.load8_u (i32.const 2048)) (i32.const 90)) (i32.const 32)))
    (call $set (i32.const 2048) (i32.const 1) (i32.const 2064) (i32.const 20) (i32.const 2096) (i32.const 2) (i32.const 4096))
    (br $on))
  unreachable)
(data (i32.const 2064) "2030-01-01T00:00:00Z")
(data (i32.const 2096) "{}")
