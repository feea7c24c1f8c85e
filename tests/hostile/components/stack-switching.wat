;; A continuation.
(type $f (func))
(type $c (cont $f))
(func $run)
(elem declare func $run)
(func (export "handle") (param i32) (result i32)
  (drop (cont.new $c (ref.func $run)))
  (i32.const 1024))
