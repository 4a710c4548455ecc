;; Writes a body of one byte at a time and never sends the request.
(module
;; include: stdout
  (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.0" "[constructor]outgoing-request" (func $request (param $fields i32) (result i32)))
;; include: request-body
;; include: memory
;; include: open-upload
  (func (export "session-end") (param $event i32) (result i32)
    (local $writer i32)
    (local.set $writer (call $open-writer (call $open-upload (call $request (call $fields)))))
    (loop $again
      (call $write (local.get $writer) (i32.const 8192) (i32.const 1) (i32.const 512))
      (br_if $again (i32.eqz (i32.load8_u (i32.const 512)))))
    unreachable))
