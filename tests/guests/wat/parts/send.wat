  ;; A request to where the session says, so that a test chooses: authority = the session's key, path = its agent-id,
  ;; scheme = HTTP unless its owner-kind is "https". Needs the parts `http` and `print`. Functions that return a handle
  ;; return 0, which is none, when there is nothing to go on with, and have put `error=<what>` on the line by then.
  (data (i32.const 6400) "https" "error=" "bad-request" "status=")
  ;; The cases of `error-code`, in their order. Case 38 is the last, internal-error.
  (data (i32.const 6480)
    "DNS-timeout\nDNS-error\ndestination-not-found\ndestination-unavailable\ndestination-IP-prohibited\n"
    "destination-IP-unroutable\nconnection-refused\nconnection-terminated\nconnection-timeout\n"
    "connection-read-timeout\nconnection-write-timeout\nconnection-limit-reached\nTLS-protocol-error\n"
    "TLS-certificate-error\nTLS-alert-received\nHTTP-request-denied\nHTTP-request-length-required\n"
    "HTTP-request-body-size\nHTTP-request-method-invalid\nHTTP-request-URI-invalid\nHTTP-request-URI-too-long\n"
    "HTTP-request-header-section-size\nHTTP-request-header-size\nHTTP-request-trailer-section-size\n"
    "HTTP-request-trailer-size\nHTTP-response-incomplete\nHTTP-response-header-section-size\n"
    "HTTP-response-header-size\nHTTP-response-body-size\nHTTP-response-trailer-section-size\n"
    "HTTP-response-trailer-size\nHTTP-response-transfer-coding\nHTTP-response-content-coding\nHTTP-response-timeout\n"
    "HTTP-upgrade-failed\nHTTP-protocol-error\nloop-detected\nconfiguration-error\ninternal-error\n")
  ;; Appends the line $n, counted from 0, of the text at $at.
  (func $append-nth (param $at i32) (param $n i32)
    (local $byte i32)
    (loop $next
      (local.set $byte (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (if (i32.eq (local.get $byte) (i32.const 10))
        (then
          (if (i32.eqz (local.get $n)) (then (return)))
          (local.set $n (i32.sub (local.get $n) (i32.const 1))))
        (else (if (i32.eqz (local.get $n)) (then (call $append-byte (local.get $byte))))))
      (br $next)))
  ;; $code: where the `error-code` is. An internal-error's text, if any, follows in brackets.
  (func $append-error (param $code i32)
    (call $append (i32.const 6405) (i32.const 6))
    (call $append-nth (i32.const 6480) (i32.load8_u (local.get $code)))
    (if (i32.and
          (i32.eq (i32.load8_u (local.get $code)) (i32.const 38))
          (i32.load8_u offset=8 (local.get $code)))
      (then
        (call $append-byte (i32.const 40))
        (call $append
          (i32.load offset=12 (local.get $code))
          (select
            (i32.load offset=16 (local.get $code))
            (i32.const 200)
            (i32.lt_u (i32.load offset=16 (local.get $code)) (i32.const 200))))
        (call $append-byte (i32.const 41)))))
  (func $says-https (param $event i32) (result i32)
    (local $text i32)
    (local.set $text (i32.load offset=48 (local.get $event)))
    (if (i32.eqz (i32.load8_u offset=44 (local.get $event))) (then (return (i32.const 0))))
    (if (i32.ne (i32.load offset=52 (local.get $event)) (i32.const 5)) (then (return (i32.const 0))))
    (i32.and
      (i32.eq (i32.load align=1 (local.get $text)) (i32.load (i32.const 6400)))
      (i32.eq (i32.load8_u offset=4 (local.get $text)) (i32.load8_u (i32.const 6404)))))
  ;; A request with these headers. Method GET is what a request has at first.
  (func $new-request (param $event i32) (param $headers i32) (result i32)
    (local $request i32)
    (local.set $request (call $request (local.get $headers)))
    (block $refused
      (br_if $refused
        (call $set-scheme (local.get $request) (i32.const 1) (call $says-https (local.get $event))
          (i32.const 0) (i32.const 0)))
      (br_if $refused
        (call $set-authority (local.get $request) (i32.load8_u offset=20 (local.get $event))
          (i32.load offset=24 (local.get $event)) (i32.load offset=28 (local.get $event))))
      (br_if $refused
        (call $set-path (local.get $request) (i32.load8_u offset=32 (local.get $event))
          (i32.load offset=36 (local.get $event)) (i32.load offset=40 (local.get $event))))
      (return (local.get $request)))
    (call $append (i32.const 6405) (i32.const 17))
    i32.const 0)
  (func $send (param $request i32) (result i32)
    (if (i32.eqz (local.get $request)) (then (return (i32.const 0))))
    (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const 640))
    (if (i32.eqz (i32.load8_u (i32.const 640))) (then (return (i32.load (i32.const 648)))))
    (call $append-error (i32.const 648))
    i32.const 0)
  ;; Waits for the response for as long as it takes.
  (func $wait (param $future i32) (result i32)
    (local $pollable i32)
    (if (i32.eqz (local.get $future)) (then (return (i32.const 0))))
    (local.set $pollable (call $on-response (local.get $future)))
    (call $block (local.get $pollable))
    (call $drop-pollable (local.get $pollable))
    (call $get-response (local.get $future) (i32.const 640))
    ;; some(ok(…)), as this is the first and only look at a future that is ready.
    (if (i32.or (i32.eqz (i32.load8_u (i32.const 640))) (i32.load8_u (i32.const 648))) (then unreachable))
    (if (i32.eqz (i32.load8_u (i32.const 656))) (then (return (i32.load (i32.const 664)))))
    (call $append-error (i32.const 664))
    i32.const 0)
  (func $append-status (param $response i32)
    (if (local.get $response)
      (then
        (call $append (i32.const 6422) (i32.const 7))
        (call $append-number (i64.extend_i32_u (call $status (local.get $response)))))))
