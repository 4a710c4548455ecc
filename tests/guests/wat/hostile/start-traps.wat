;; Traps before any hook is called.
(module
;; include: memory
  (func $start
    unreachable)
  (start $start)
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 0))
