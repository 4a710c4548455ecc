;; Imports what the operator has to grant: wasi:config.
(module
  (import "wasi:config/store@0.2.0-rc.1" "get" (func $item (param i32 i32)))
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (call $item (i32.const 0) (i32.const 0))
    i32.const 0))
