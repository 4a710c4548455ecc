;; Writes a body of `message-count` pieces of 4096 bytes (64 when that is not told) and finishes it, and only then sends the
;; request: the order in which the standard shows it. Prints `refused=<n>` if piece n was not taken, and then as `http-gets`.
(module
;; include: stdout
;; include: http
;; include: request-body
;; include: memory
;; include: print
;; include: send
;; include: open-upload
  (data (i32.const 1024) "refused= ")
  (func (export "session-end") (param $event i32) (result i32)
    (local $request i32) (local $body i32) (local $writer i32) (local $pieces i32) (local $written i32)
    (local.set $request (call $new-request (local.get $event) (call $fields)))
    (if (local.get $request)
      (then
        (drop (call $set-method (local.get $request) (i32.const 2) (i32.const 0) (i32.const 0)))
        (local.set $body (call $open-upload (local.get $request)))
        (local.set $writer (call $open-writer (local.get $body)))
        (local.set $pieces (i32.load offset=168 (local.get $event)))
        (if (i32.eqz (local.get $pieces)) (then (local.set $pieces (i32.const 64))))
        (block $done
          (loop $more
            (br_if $done (i32.ge_u (local.get $written) (local.get $pieces)))
            (call $write (local.get $writer) (i32.const 12288) (i32.const 4096) (i32.const 512))
            (if (i32.load8_u (i32.const 512))
              (then
                (call $append (i32.const 1024) (i32.const 8))
                (call $append-number (i64.extend_i32_u (local.get $written)))
                (call $append (i32.const 1032) (i32.const 1))
                (br $done)))
            (local.set $written (i32.add (local.get $written) (i32.const 1)))
            (br $more)))
        (call $drop-writer (local.get $writer))
        (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 640))
        (call $append-status (call $wait (call $send (local.get $request))))))
    (call $print-line)
    i32.const 0))
