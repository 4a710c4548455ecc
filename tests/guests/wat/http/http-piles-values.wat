;; Gives a field 1 600 values and then none, in one section after the other: the list of values does not shrink.
(module
  (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.0" "[method]fields.set"
    (func $set (param $fields i32) (param $name i32) (param $name-len i32) (param $values i32) (param $len i32)
      (param $answer i32)))
;; include: memory
  (data (i32.const 1024) "x-a")
  (func (export "session-end") (param $event i32) (result i32)
    (local $values i32) (local $fields i32)
    ;; A page of zeros: values that are at 0 and have no bytes.
    (local.set $values (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
    (loop $again
      (local.set $fields (call $fields))
      (call $set (local.get $fields) (i32.const 1024) (i32.const 3) (local.get $values) (i32.const 1600) (i32.const 512))
      (if (i32.load8_u (i32.const 512)) (then unreachable))
      (call $set (local.get $fields) (i32.const 1024) (i32.const 3) (local.get $values) (i32.const 1) (i32.const 512))
      (br $again))
    unreachable))
