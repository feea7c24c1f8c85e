;; Never gets as far as being called: the start function of the core module does not return.
(func $forever (loop $on (br $on)))
(start $forever)
