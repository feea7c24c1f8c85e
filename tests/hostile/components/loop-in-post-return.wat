;; Answers, and does not return from the clean-up after it.
(func (export "cabi_post_handle") (param i32) (loop $on (br $on)))
