;; Calls itself until the stack is full.
(module
;; include: memory
  (func $deeper (param $n i32) (result i32)
    (i32.add (call $deeper (i32.add (local.get $n) (i32.const 1))) (i32.const 1)))
  (func (export "session-end") (param $event i32) (result i32)
    (call $deeper (i32.const 0))))
