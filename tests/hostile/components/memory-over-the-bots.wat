;; Declares 64 MiB where the manifest gives 16.
(memory (export "memory") 1024)
