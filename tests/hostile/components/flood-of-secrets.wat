;; Asks for a secret that there is not, without end.
(import "hob:bot/secrets@0.1.1" "placeholder" (func $get (param i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (loop $on
    (call $get (i32.const 2048) (i32.const 1) (i32.const 4096))
    (br $on))
  unreachable)
(data (i32.const 2048) "x")
