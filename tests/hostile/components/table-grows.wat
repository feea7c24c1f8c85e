;; Grows its table a thousand elements at a time, as long as it is given, where memory leaves 64 KiB of the manifest's 1 MiB.
(memory (export "memory") 15)
(table $a 0 funcref)
(func (export "handle") (param i32) (result i32)
  (loop $more
    (br_if $more (i32.ne (table.grow $a (ref.null func) (i32.const 1000)) (i32.const -1))))
  (i32.const 1024))
