;; Traps in the initialiser.
(func (export "_initialize") unreachable)
