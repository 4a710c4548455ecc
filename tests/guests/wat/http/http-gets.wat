;; GETs what the session names (see the part `send`) and waits for the response without a timeout of its own. Prints
;; `status=<n>` and `body=<the first 64 bytes>`, or `error=<error-code>`, and answers ok.
(module
;; include: stdout
;; include: http
;; include: response-body
;; include: memory
;; include: print
;; include: send
;; include: read-body
;; include: print-response
  (func (export "session-end") (param $event i32) (result i32)
    (call $print-response (call $wait (call $send (call $new-request (local.get $event) (call $fields)))))
    i32.const 0))
