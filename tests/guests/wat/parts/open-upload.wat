  ;; A request's body, before the request is sent, and the stream into it. Needs the part `request-body`.
  (func $open-upload (param $request i32) (result i32)
    (call $request-body (local.get $request) (i32.const 640))
    (if (i32.load8_u (i32.const 640)) (then unreachable))
    (i32.load (i32.const 644)))
  (func $open-writer (param $body i32) (result i32)
    (call $body-writer (local.get $body) (i32.const 640))
    (if (i32.load8_u (i32.const 640)) (then unreachable))
    (i32.load (i32.const 644)))
