;; Makes timers in the host and never drops one.
(module
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param $ns i64) (result i32)))
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (loop $again
      (drop (call $after (i64.const 3600000000000)))
      (br $again))
    unreachable))
