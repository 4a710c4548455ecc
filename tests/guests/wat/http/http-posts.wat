;; As `http-gets`, with POST and the session's id as the body.
(module
;; include: stdout
;; include: http
;; include: request-body
;; include: response-body
;; include: memory
;; include: print
;; include: send
;; include: open-upload
;; include: read-body
;; include: print-response
  (func (export "session-end") (param $event i32) (result i32)
    (local $request i32) (local $body i32) (local $future i32) (local $writer i32)
    (local.set $request (call $new-request (local.get $event) (call $fields)))
    (block $not-sent
      (br_if $not-sent (i32.eqz (local.get $request)))
      (drop (call $set-method (local.get $request) (i32.const 2) (i32.const 0) (i32.const 0)))
      (local.set $body (call $open-upload (local.get $request)))
      (local.set $writer (call $open-writer (local.get $body)))
      (br_if $not-sent (i32.eqz (local.tee $future (call $send (local.get $request)))))
      (call $write (local.get $writer)
        (i32.load offset=8 (local.get $event)) (i32.load offset=12 (local.get $event)) (i32.const 512))
      (call $drop-writer (local.get $writer))
      ;; What goes wrong with the body is told by the response, or by its error.
      (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 640)))
    (call $print-response (call $wait (local.get $future)))
    i32.const 0))
