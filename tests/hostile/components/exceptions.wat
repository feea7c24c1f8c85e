;; Throws where nobody catches.
(tag $oops (param i32))
(func (export "handle") (param i32) (result i32) (throw $oops (i32.const 1)))
