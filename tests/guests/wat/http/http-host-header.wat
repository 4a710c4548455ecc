;; Adds headers that are the connection's business or name another host, printing `<header>=<ok or header-error>` for
;; each, and then GETs what the session names with those that were taken, printing as `http-gets`. Answers ok.
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
  (data (i32.const 1024) "host" "connection" "transfer-encoding" "upgrade" "proxy-connection")
  (data (i32.const 1100) "evil.example" "close" "chunked" "h2c")
  (func (export "session-end") (param $event i32) (result i32)
    (local $headers i32)
    (local.set $headers (call $fields))
    (call $try-header (local.get $headers) (i32.const 1024) (i32.const 4) (i32.const 1100) (i32.const 12))
    (call $try-header (local.get $headers) (i32.const 1028) (i32.const 10) (i32.const 1112) (i32.const 5))
    (call $try-header (local.get $headers) (i32.const 1038) (i32.const 17) (i32.const 1117) (i32.const 7))
    (call $try-header (local.get $headers) (i32.const 1055) (i32.const 7) (i32.const 1124) (i32.const 3))
    (call $try-header (local.get $headers) (i32.const 1062) (i32.const 16) (i32.const 1112) (i32.const 5))
    (call $print-response (call $wait (call $send (call $new-request (local.get $event) (local.get $headers)))))
    i32.const 0))
