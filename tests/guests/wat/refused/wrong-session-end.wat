;; Its `session-end` takes a bare string.
(module
;; include: memory
  (func (export "session-end") (param $id i32) (param $len i32)))
