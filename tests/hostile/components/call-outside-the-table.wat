;; Calls an element behind the end of the table.
(type $wanted (func (param i32) (result i32)))
(table 1 funcref)
(func (export "handle") (param i32) (result i32) (call_indirect (type $wanted) (i32.const 1) (i32.const 0x7fffffff)))
