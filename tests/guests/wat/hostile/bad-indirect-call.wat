;; Calls through a table slot that is empty.
(module
;; include: memory
  (table 1 funcref)
  (func (export "session-end") (param $event i32) (result i32)
    (call_indirect (param i32) (result i32) (local.get $event) (i32.const 0))))
