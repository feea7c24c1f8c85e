;; Traps in the start function.
(func $trap unreachable)
(start $trap)
