;; Makes requests with a body, opens the stream into it, and sends none of them.
(module
  (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.0" "[constructor]outgoing-request" (func $request (param $fields i32) (result i32)))
;; include: request-body
;; include: memory
;; include: open-upload
  (func (export "session-end") (param $event i32) (result i32)
    (loop $again
      (drop (call $open-writer (call $open-upload (call $request (call $fields)))))
      (br $again))
    unreachable))
