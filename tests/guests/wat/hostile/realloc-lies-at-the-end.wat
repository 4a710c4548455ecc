;; Has an allocator that hands out the last 8 bytes of its memory, whatever the size.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
    i32.const 0xfff8)
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 0))
