;; POSTs a body without an end to what the session names. When it is stopped it prints `sent=<n>`, the bytes that were
;; taken, and `status=<n>` or `error=<error-code>`, and answers ok.
(module
;; include: stdout
;; include: http
;; include: request-body
;; include: memory
;; include: print
;; include: send
;; include: open-upload
  (data (i32.const 1024) "sent=")
  (func (export "session-end") (param $event i32) (result i32)
    (local $request i32) (local $body i32) (local $future i32) (local $writer i32) (local $sent i64) (local $chunk i32)
    (local.set $request (call $new-request (local.get $event) (call $fields)))
    (local.set $chunk (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
    (block $not-sent
      (br_if $not-sent (i32.eqz (local.get $request)))
      (drop (call $set-method (local.get $request) (i32.const 2) (i32.const 0) (i32.const 0)))
      (local.set $body (call $open-upload (local.get $request)))
      (local.set $writer (call $open-writer (local.get $body)))
      (br_if $not-sent (i32.eqz (local.tee $future (call $send (local.get $request)))))
      (block $stopped
        (loop $more
          ;; 4096 bytes are the most that one such write may have.
          (call $write (local.get $writer) (local.get $chunk) (i32.const 4096) (i32.const 512))
          (br_if $stopped (i32.load8_u (i32.const 512)))
          (local.set $sent (i64.add (local.get $sent) (i64.const 4096)))
          (br $more)))
      (call $append (i32.const 1024) (i32.const 5))
      (call $append-number (local.get $sent))
      (call $print-line))
    (call $append-status (call $wait (local.get $future)))
    (call $print-line)
    i32.const 0))
