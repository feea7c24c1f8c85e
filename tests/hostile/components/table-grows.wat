;; Grows its tables a thousand elements at a time, as long as it is given.
(table $a 0 funcref)
(table $b 0 funcref)
(table $c 0 funcref)
(table $d 0 funcref)
(func (export "handle") (param i32) (result i32)
  (loop $more
    (drop (table.grow $a (ref.null func) (i32.const 1000)))
    (drop (table.grow $b (ref.null func) (i32.const 1000)))
    (drop (table.grow $c (ref.null func) (i32.const 1000)))
    (drop (table.grow $d (ref.null func) (i32.const 1000)))
    (br $more))
  unreachable)
