;; Waits for a timer of no time for ever: it always comes back, and the scheduler with it.
(module
;; include: timer
  (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop (param $pollable i32)))
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (local $timer i32)
    (loop $again
      (local.set $timer (call $after (i64.const 0)))
      (call $block (local.get $timer))
      (call $drop (local.get $timer))
      (br $again))
    unreachable))
