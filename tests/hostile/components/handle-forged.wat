;; Tries every number from 1 to 99 for a document that somebody else holds: the first one must end it.
(import "hob:bot/document@0.1.1" "[method]document.bytes" (func $bytes (param i32 i32)))
(func (export "handle") (param i32) (result i32)
  (local $number i32)
  (loop $more
    (local.set $number (i32.add (local.get $number) (i32.const 1)))
    (call $bytes (local.get $number) (i32.const 4200))
    (br_if $more (i32.lt_u (local.get $number) (i32.const 99))))
  (i32.const 1024))
