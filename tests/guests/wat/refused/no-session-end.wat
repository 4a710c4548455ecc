;; Has only the optional hook.
(module
;; include: memory
  (func (export "session-start") (param $event i32) (result i32)
    i32.const 0))
