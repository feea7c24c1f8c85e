;; The name of a setting begins within the memory and ends outside.
(import "hob:bot/settings@0.1.1" "get" (func $get (param i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (call $get (i32.const 131071) (i32.const 2) (i32.const 4096))
  (i32.const 1024))
