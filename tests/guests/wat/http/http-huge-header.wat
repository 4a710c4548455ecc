;; GETs what the session names with a header of 128 KiB; prints `x-a=<ok or header-error>`, and then as `http-gets` if the
;; header was taken. Answers ok.
(module
;; include: stdout
;; include: http
;; include: append-header
;; include: response-body
;; include: memory
;; include: print
;; include: send
;; include: try-header
;; include: read-body
;; include: print-response
  (data (i32.const 1024) "x-a")
  (func (export "session-end") (param $event i32) (result i32)
    (local $headers i32) (local $value i32)
    (local.set $value (i32.shl (memory.grow (i32.const 2)) (i32.const 16)))
    (memory.fill (local.get $value) (i32.const 0x61) (i32.const 131072))
    (local.set $headers (call $fields))
    (call $try-header (local.get $headers) (i32.const 1024) (i32.const 3) (local.get $value) (i32.const 131072))
    (call $print-response (call $wait (call $send (call $new-request (local.get $event) (local.get $headers)))))
    i32.const 0))
