  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param $ns i64) (result i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param $pollable i32)))
