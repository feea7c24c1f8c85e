;; A list of reads that begins at an odd address.
(import "hob:bot/fhir@0.1.1" "batch" (func $batch (param i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (call $batch (i32.const 8193) (i32.const 1) (i32.const 4096))
  (i32.const 1024))
