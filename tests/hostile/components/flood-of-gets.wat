;; Looks into one document without end.
(import "hob:bot/document@0.1.1" "[static]document.parse" (func $parse (param i32 i32 i32)))
(import "hob:bot/document@0.1.1" "[method]document.get" (func $get (param i32 i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (call $parse (i32.const 2048) (i32.const 7) (i32.const 4096))
  (loop $on
    (call $get (i32.load (i32.const 4100)) (i32.const 2064) (i32.const 2) (i32.const 4200))
    (br $on))
  unreachable)
(data (i32.const 2048) "{\"a\":1}")
(data (i32.const 2064) "/a")
