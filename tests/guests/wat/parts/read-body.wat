  ;; Needs the parts `response-body` and `send`.
  (data (i32.const 6429) "stream")
  (func $open-body (param $response i32) (result i32)
    (call $consume (local.get $response) (i32.const 640))
    (if (i32.load8_u (i32.const 640)) (then unreachable))
    (call $body-stream (i32.load (i32.const 644)) (i32.const 640))
    (if (i32.load8_u (i32.const 640)) (then unreachable))
    (i32.load (i32.const 644)))
  ;; Reads at most $max bytes, which are then at 644 (where) and 648 (how many). 0 is the end, of which an early one has
  ;; put ` error=<what>` on the line.
  (func $read-body (param $stream i32) (param $max i64) (result i32)
    (call $read (local.get $stream) (local.get $max) (i32.const 640))
    (if (i32.eqz (i32.load8_u (i32.const 640))) (then (return (i32.const 1))))
    ;; last-operation-failed(error), or closed.
    (if (i32.eqz (i32.load8_u (i32.const 644)))
      (then
        (call $append-byte (i32.const 32))
        (call $error-code (i32.load (i32.const 648)) (i32.const 720))
        (if (i32.load8_u (i32.const 720))
          (then (call $append-error (i32.const 728)))
          (else
            (call $append (i32.const 6405) (i32.const 6))
            (call $append (i32.const 6429) (i32.const 6))))))
    i32.const 0)
