;; Has the host make a terabyte of zeros for the log.
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.write-zeroes" (func $zeroes (param i32 i64 i32)))
(func (export "handle") (param i32) (result i32)
  (call $zeroes (call $stdout) (i64.const 0x10000000000) (i32.const 4096))
  (i32.const 1024))
