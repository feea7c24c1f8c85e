;; The name of a setting is no UTF-8.
(import "hob:bot/settings@0.1.1" "get" (func $get (param i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (call $get (i32.const 2048) (i32.const 2) (i32.const 4096))
  (i32.const 1024))
(data (i32.const 2048) "\ff\fe")
