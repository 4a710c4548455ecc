  ;; Prints `status=<n>` and `body=<its first 64 bytes>`; without a response, the error that is on the line. Needs the
  ;; part `read-body`.
  (data (i32.const 1920) "body=")
  (func $print-response (param $response i32)
    (local $stream i32) (local $left i32)
    (call $append-status (local.get $response))
    (call $print-line)
    (if (i32.eqz (local.get $response)) (then (return)))
    (local.set $stream (call $open-body (local.get $response)))
    (local.set $left (i32.const 64))
    (call $append (i32.const 1920) (i32.const 5))
    (block $end
      (loop $more
        (br_if $end (i32.eqz (call $read-body (local.get $stream) (i64.extend_i32_u (local.get $left)))))
        (call $append (i32.load (i32.const 644)) (i32.load (i32.const 648)))
        (local.set $left (i32.sub (local.get $left) (i32.load (i32.const 648))))
        (br_if $more (local.get $left))))
    (call $print-line))
