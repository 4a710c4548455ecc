;; Waits for an hour in the host: neither fuel nor the epoch can cut it there.
(module
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param $ns i64) (result i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param $pollable i32)))
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (call $block (call $after (i64.const 3600000000000)))
    i32.const 0))
