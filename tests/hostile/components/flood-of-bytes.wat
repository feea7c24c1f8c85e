;; Has the bytes of one document given to it without end.
(import "hob:bot/document@0.1.1" "[static]document.parse" (func $parse (param i32 i32 i32)))
(import "hob:bot/document@0.1.1" "[method]document.bytes" (func $bytes (param i32 i32)))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
(func (export "handle") (param i32) (result i32)
  (call $parse (i32.const 2048) (i32.const 7) (i32.const 4096))
  (loop $on
    (call $bytes (i32.load (i32.const 4100)) (i32.const 4200))
    (br $on))
  unreachable)
(data (i32.const 2048) "{\"a\":1}")
