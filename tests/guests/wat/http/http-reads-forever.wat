;; GETs what the session names and reads the body until it ends or fails, 64 KiB at a time. Prints `status=<n>` and
;; `read=<n>`, after which comes ` error=<error-code>` when it failed, or only `error=<error-code>`. Answers ok.
(module
;; include: stdout
;; include: http
;; include: response-body
;; include: memory
;; include: print
;; include: send
;; include: read-body
  (data (i32.const 1024) "read=")
  (func (export "session-end") (param $event i32) (result i32)
    (local $response i32) (local $stream i32) (local $fresh i32) (local $total i64) (local $late i32)
    (local.set $response (call $wait (call $send (call $new-request (local.get $event) (call $fields)))))
    (call $append-status (local.get $response))
    (call $print-line)
    (if (i32.eqz (local.get $response)) (then (return (i32.const 0))))
    (local.set $stream (call $open-body (local.get $response)))
    (local.set $fresh (global.get $heap))
    (block $end
      (loop $more
        (br_if $end (i32.eqz (call $read-body (local.get $stream) (i64.const 65536))))
        (local.set $total (i64.add (local.get $total) (i64.load32_u (i32.const 648))))
        (global.set $heap (local.get $fresh))
        (br $more)))
    ;; The error, if any, is on the line already, and belongs behind the number.
    (local.set $late (i32.sub (global.get $end) (i32.const 2048)))
    (memory.copy (i32.const 5000) (i32.const 2048) (local.get $late))
    (global.set $end (i32.const 2048))
    (call $append (i32.const 1024) (i32.const 5))
    (call $append-number (local.get $total))
    (call $append (i32.const 5000) (local.get $late))
    (call $print-line)
    i32.const 0))
