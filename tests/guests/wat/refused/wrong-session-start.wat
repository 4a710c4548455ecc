;; Its `session-end` is right, its `session-start` takes a bare string.
(module
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 0)
  (func (export "session-start") (param $id i32) (param $len i32)))
