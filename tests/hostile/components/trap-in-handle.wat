;; Traps when it is called, after it staged a write.
(import "hob:bot/fhir@0.1.1" "create" (func $create (param i32 i32 i32 i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (call $create (i32.const 2048) (i32.const 23) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4096))
  unreachable)
(data (i32.const 2048) "{\"resourceType\":\"Task\"}")
