;; Has an allocator that calls the host while the host is passing the event, which a component may not.
(module
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
    (drop (call $now))
    i32.const 8192)
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 0))
