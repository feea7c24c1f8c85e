;; The initialiser that tools make for libraries does not return.
(func (export "_initialize") (loop $on (br $on)))
