;; One call that asks for 100,000 reads.
(import "hob:bot/fhir@0.1.1" "batch" (func $batch (param i32 i32 i32)))
(memory (export "memory") 20)
(func (export "handle") (param i32) (result i32)
  (call $batch (i32.const 131072) (i32.const 100000) (i32.const 4096))
  (i32.const 1024))
