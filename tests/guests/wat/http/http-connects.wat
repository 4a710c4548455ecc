;; Asks for a tunnel to what the session names, once with the method CONNECT and once with a method of its own that is
;; spelt the same. Prints `status=<n>` or `error=<error-code>` for each (`error=bad-request`: the method was refused at
;; once), and answers ok.
(module
;; include: stdout
;; include: http
;; include: memory
;; include: print
;; include: send
  (data (i32.const 1024) "CONNECT")
  (func $tunnel (param $event i32) (param $method i32)
    (local $request i32)
    (local.set $request (call $new-request (local.get $event) (call $fields)))
    (if (local.get $request)
      (then
        (if (call $set-method (local.get $request) (local.get $method) (i32.const 1024) (i32.const 7))
          (then
            (call $append (i32.const 6405) (i32.const 17))
            (local.set $request (i32.const 0))))))
    (call $append-status (call $wait (call $send (local.get $request))))
    (call $print-line))
  (func (export "session-end") (param $event i32) (result i32)
    (call $tunnel (local.get $event) (i32.const 5))
    (call $tunnel (local.get $event) (i32.const 9))
    i32.const 0))
