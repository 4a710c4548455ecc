;; Has an allocator that takes memory until it is refused and then traps.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
    (loop $more
      (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    unreachable)
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 0))
