;; Spends its life in a cheap host call.
(import "hob:bot/settings@0.1.1" "get" (func $get (param i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (loop $on
    (call $get (i32.const 2048) (i32.const 1) (i32.const 4096))
    (br $on))
  unreachable)
(data (i32.const 2048) "x")
