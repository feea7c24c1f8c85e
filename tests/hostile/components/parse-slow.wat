;; 16 MiB of `[0,0,…]` under a limit of memory that has room for it: parsing it would take many times the bot's CPU time, in one call.
(import "hob:bot/document@0.1.1" "[static]document.parse" (func $parse (param i32 i32 i32)))
(memory (export "memory") 300)
(func (export "handle") (param i32) (result i32)
  (local $at i32)
  (local.set $at (i32.const 65536))
  (loop $more
    (i64.store (local.get $at) (i64.const 0x2c302c302c302c30))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $more (i32.lt_u (local.get $at) (i32.const 16842752))))
  (i32.store (i32.const 65536) (i32.const 0x2c30205b))
  (i32.store8 (i32.sub (local.get $at) (i32.const 1)) (i32.const 0x5d))
  (call $parse (i32.const 65536) (i32.sub (local.get $at) (i32.const 65536)) (i32.const 4096))
  (i32.const 1024))
