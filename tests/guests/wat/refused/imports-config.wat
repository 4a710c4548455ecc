;; Imports what the operator has to grant: wasi:config.
(module
  (import "wasi:config/store@0.2.0-rc.1" "get" (func $get (param $key i32) (param $len i32) (param $answer i32)))
;; include: memory
  (func (export "session-end") (param $event i32) (result i32)
    (call $get (i32.const 0) (i32.const 0) (i32.const 512))
    i32.const 0))
