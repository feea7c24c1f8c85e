;; A resource of its own, whose destructor traps.
(import "[export]hob:hostile/things" "[resource-new]thing" (func $new (param i32) (result i32)))
(import "[export]hob:hostile/things" "[resource-drop]thing" (func $drop (param i32)))
(func (export "hob:hostile/things#[dtor]thing") (param i32) unreachable)
(func (export "handle") (param i32) (result i32)
  (call $drop (call $new (i32.const 7)))
  (i32.const 1024))
