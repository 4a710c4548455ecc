;; Asks a timer of an hour for ever whether it is ready: a wait that never blocks.
(module
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param $ns i64) (result i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.ready" (func $ready (param $pollable i32) (result i32)))
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (local $timer i32)
    (local.set $timer (call $after (i64.const 3600000000000)))
    (loop $again
      (br_if $again (i32.eqz (call $ready (local.get $timer)))))
    unreachable))
