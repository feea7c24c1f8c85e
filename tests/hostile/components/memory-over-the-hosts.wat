;; Declares 4 GiB, more than the host gives any bot.
(memory (export "memory") 65536)
