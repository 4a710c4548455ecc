;; Answers at an odd address.
(module
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    i32.const 17))
