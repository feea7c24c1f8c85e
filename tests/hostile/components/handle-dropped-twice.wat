;; Gives a document back twice.
(import "hob:bot/document@0.1.1" "[static]document.parse" (func $parse (param i32 i32 i32)))
(import "hob:bot/document@0.1.1" "[resource-drop]document" (func $drop (param i32)))
(func (export "handle") (param i32) (result i32)
  (call $parse (i32.const 2048) (i32.const 1) (i32.const 4096))
  (call $drop (i32.load (i32.const 4100)))
  (call $drop (i32.load (i32.const 4100)))
  (i32.const 1024))
(data (i32.const 2048) "1")
