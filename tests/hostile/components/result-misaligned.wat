;; The answer is at an odd address.
(func (export "handle") (param i32) (result i32) (i32.const 1025))
