;; Waits in `wasi:io/poll` for a timer of an hour: the list form of `sleep`.
(module
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param $ns i64) (result i32)))
  (import "wasi:io/poll@0.2.0" "poll" (func $poll (param $list i32) (param $len i32) (param $answer i32)))
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (i32.store (i32.const 1024) (call $after (i64.const 3600000000000)))
    (i32.store (i32.const 1028) (call $after (i64.const 3600000000000)))
    (call $poll (i32.const 1024) (i32.const 2) (i32.const 512))
    i32.const 0))
