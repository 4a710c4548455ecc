;; Two functions call each other until the stack is full, through a table so that nothing can be seen ahead.
(module
  (type $step (func (param i32) (result i32)))
;; include: memory
  (table 2 2 funcref)
  (elem (i32.const 0) $ping $pong)
  (func $ping (type $step)
    (i32.add (call_indirect (type $step) (i32.add (local.get 0) (i32.const 1)) (i32.const 1)) (i32.const 1)))
  (func $pong (type $step)
    (i32.add (call_indirect (type $step) (i32.add (local.get 0) (i32.const 1)) (i32.const 0)) (i32.const 1)))
  (func (export "session-end") (param $event i32) (result i32)
    (call $ping (i32.const 0))))
