;; Calls an element of the table that is empty.
(type $wanted (func (param i32) (result i32)))
(table 1 funcref)
(func (export "handle") (param i32) (result i32) (call_indirect (type $wanted) (i32.const 1) (i32.const 0)))
