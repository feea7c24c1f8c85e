;; One call that asks for five million reads: more than the host takes out of a memory in one call.
(import "hob:bot/fhir@0.1.1" "batch" (func $batch (param i32 i32 i32)))
(memory (export "memory") 640)
(func (export "handle") (param i32) (result i32)
  (call $batch (i32.const 131072) (i32.const 5000000) (i32.const 4096))
  (i32.const 1024))
