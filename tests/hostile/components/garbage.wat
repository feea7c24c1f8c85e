;; Fills a garbage-collected heap.
(type $node (struct (field (ref null $node)) (field i64)))
(func (export "handle") (param i32) (result i32)
  (local $last (ref null $node))
  (loop $on
    (local.set $last (struct.new $node (local.get $last) (i64.const 7)))
    (br $on))
  unreachable)
