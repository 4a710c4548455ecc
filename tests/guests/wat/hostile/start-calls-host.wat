;; Waits for an hour in the host before any hook is called: instantiation can block too.
(module
;; include: timer
;; include: memory
  (func $start
    (call $block (call $after (i64.const 3600000000000))))
  (start $start)
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 0))
