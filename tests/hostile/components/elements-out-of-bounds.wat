;; An element segment that does not fit into the table.
(table 2 funcref)
(func $f)
(elem (i32.const 1) func $f $f)
