;; 4 MiB of log in one line.
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (local $turns i32) (local $stream i32)
  (local.set $stream (call $stdout))
  (memory.fill (i32.const 8192) (i32.const 0x78) (i32.const 4096))
  (loop $more
    (call $write (local.get $stream) (i32.const 8192) (i32.const 4096) (i32.const 4096))
    (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
    (br_if $more (i32.lt_u (local.get $turns) (i32.const 1000))))
  (i32.const 1024))
