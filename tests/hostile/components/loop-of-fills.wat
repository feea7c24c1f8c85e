;; Works in instructions that write 32 MiB each and cannot be interrupted.
(memory (export "memory") 520)
(func (export "handle") (param i32) (result i32)
  (loop $on
    (memory.fill (i32.const 65536) (i32.const 7) (i32.const 0x2000000))
    (br $on))
  unreachable)
