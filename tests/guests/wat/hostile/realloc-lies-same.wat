;; Has an allocator that hands out one address again and again, so that the host writes the event over itself: it harms
;; nobody but this guest, which answers ok.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
    i32.const 8192)
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 0))
