;; Asks for a page, and another, as long as it is given.
(func (export "handle") (param i32) (result i32)
  (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
  (i32.const 1024))
