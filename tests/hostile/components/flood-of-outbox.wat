;; Stages a request with a kilobyte of body with every turn.
(import "hob:bot/outbox@0.1.1" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(func (export "handle") (param i32) (result i32)
  (loop $on
    (i32.store8 (i32.const 2048) (i32.add (i32.load8_u (i32.const 2048)) (i32.const 1)))
    (call $send
      (i32.const 2048) (i32.const 1)
      (i32.const 2064) (i32.const 4)
      (i32.const 2080) (i32.const 25)
      (i32.const 0) (i32.const 0)
      (i32.const 8192) (i32.const 1024)
      (i32.const 4096))
    (br $on))
  unreachable)
(data (i32.const 2048) " ")
(data (i32.const 2064) "POST")
(data (i32.const 2080) "https://sms.example/v1/to")
