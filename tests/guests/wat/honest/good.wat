;; Answers ok at once and imports nothing: the cheapest plugin there is.
(module
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 0))
