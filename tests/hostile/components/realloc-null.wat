;; Says that there is room at address 0, each time: the host overwrites what it wrote, in the bot's own memory.
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
