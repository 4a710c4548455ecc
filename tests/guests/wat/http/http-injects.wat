;; Tries to put a second header, or a second request, into a header's value, a header's name, the path and the
;; authority. Traps when one is taken; answers ok otherwise. Nothing is sent.
(module
;; include: http
;; include: append-header
;; include: memory
  (data (i32.const 1024) "x-a")
  (data (i32.const 1040) "1\r\nhost: evil.example")
  (data (i32.const 1080) "x-a: 1\r\nhost")
  (data (i32.const 1100) "/ HTTP/1.1\r\nhost: evil.example\r\n\r\n")
  (data (i32.const 1150) "evil.example\r\nx-a: 1")
  (func (export "session-end") (param $event i32) (result i32)
    (local $headers i32) (local $request i32)
    (local.set $headers (call $fields))
    (call $append-header (local.get $headers) (i32.const 1024) (i32.const 3) (i32.const 1040) (i32.const 21)
      (i32.const 544))
    (if (i32.eqz (i32.load8_u (i32.const 544))) (then unreachable))
    (call $append-header (local.get $headers) (i32.const 1080) (i32.const 12) (i32.const 1040) (i32.const 1)
      (i32.const 544))
    (if (i32.eqz (i32.load8_u (i32.const 544))) (then unreachable))
    (local.set $request (call $request (local.get $headers)))
    (if (i32.eqz (call $set-path (local.get $request) (i32.const 1) (i32.const 1100) (i32.const 34)))
      (then unreachable))
    (if (i32.eqz (call $set-authority (local.get $request) (i32.const 1) (i32.const 1150) (i32.const 20)))
      (then unreachable))
    i32.const 0))
