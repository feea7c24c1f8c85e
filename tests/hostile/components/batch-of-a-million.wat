;; One call that asks for a million reads.
(import "hob:bot/fhir@0.1.0" "batch" (func $batch (param i32 i32 i32)))
(memory (export "memory") 130)
(func (export "handle") (param i32) (result i32)
  (call $batch (i32.const 65536) (i32.const 1000000) (i32.const 4096))
  (i32.const 1024))
