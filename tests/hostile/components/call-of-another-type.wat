;; Calls a function of the table as if it were of another type.
(type $wanted (func (param i32) (result i32)))
(table funcref (elem $f))
(func $f (result i64) (i64.const 1))
(func (export "handle") (param i32) (result i32) (call_indirect (type $wanted) (i32.const 1) (i32.const 0)))
