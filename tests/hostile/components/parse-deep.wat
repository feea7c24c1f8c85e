;; JSON nested a hundred thousand deep. The parser must say no; a crash of the host, or a yes, is the bot's gain.
(import "hob:bot/document@0.1.1" "[static]document.parse" (func $parse (param i32 i32 i32)))
(memory (export "memory") 6)
(func (export "handle") (param i32) (result i32)
  (memory.fill (i32.const 65536) (i32.const 0x5b) (i32.const 100000))
  (memory.fill (i32.const 165536) (i32.const 0x5d) (i32.const 100000))
  (call $parse (i32.const 65536) (i32.const 200000) (i32.const 4096))
  (if (i32.eqz (i32.load8_u (i32.const 4096))) (then unreachable))
  (i32.const 1024))
