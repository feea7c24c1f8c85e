;; Two functions call each other.
(func $ping (param i32) (result i32) (i32.add (call $pong (local.get 0)) (i32.const 1)))
(func $pong (param i32) (result i32) (i32.mul (call $ping (local.get 0)) (i32.const 3)))
(func (export "handle") (param i32) (result i32) (call $ping (i32.const 0)))
