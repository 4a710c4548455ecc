;; Traps: `unreachable`.
(module
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    unreachable))
