;; A document of 0xffffffff bytes.
(import "hob:bot/document@0.1.1" "[static]document.parse" (func $parse (param i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (call $parse (i32.const 2048) (i32.const 0xffffffff) (i32.const 4096))
  (i32.const 1024))
