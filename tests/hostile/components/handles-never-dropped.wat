;; Has the host hold one document more with every turn.
(import "hob:bot/document@0.1.1" "[static]document.parse" (func $parse (param i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (loop $on
    (call $parse (i32.const 2048) (i32.const 1) (i32.const 4096))
    (br $on))
  unreachable)
(data (i32.const 2048) "1")
