;; Imports what the operator has to grant: wasi:keyvalue.
(module
;; include: keyvalue
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (call $open (i32.const 0) (i32.const 0) (i32.const 512))
    i32.const 0))
