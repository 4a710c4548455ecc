;; Tells a server of each event before it answers: how deliveries are counted outside of the program, whatever becomes
;; of it. GETs `/<delivery-id>?<tenant>/<session-id>/<generation>/<attempt>`, and `/late` after it when it is, from
;; where the session's key says. Answers ok to status 200 and err(retry(…)) to everything else.
(module
;; include: stdout
;; include: http
;; include: memory
;; include: print
;; include: send
;; include: retry-with
  (data (i32.const 1024) "/?/late")
  (func $append-text (param $text i32)
    (call $append (i32.load (local.get $text)) (i32.load offset=4 (local.get $text))))
  ;; All three events begin with the session (tenant at 0, id at 8, generation at 16, key at 20) and the delivery (id at
  ;; 104, attempt at 112, late at 120).
  (func $append-path (param $event i32)
    (call $append (i32.const 1024) (i32.const 1))
    (call $append-text (i32.add (local.get $event) (i32.const 104)))
    (call $append (i32.const 1025) (i32.const 1))
    (call $append-text (local.get $event))
    (call $append (i32.const 1024) (i32.const 1))
    (call $append-text (i32.add (local.get $event) (i32.const 8)))
    (call $append (i32.const 1024) (i32.const 1))
    (call $append-number (i64.load32_u offset=16 (local.get $event)))
    (call $append (i32.const 1024) (i32.const 1))
    (call $append-number (i64.load32_u offset=112 (local.get $event)))
    (if (i32.load8_u offset=120 (local.get $event)) (then (call $append (i32.const 1026) (i32.const 5)))))
  (func $line-length (result i32) (i32.sub (global.get $end) (i32.const 2048)))
  (func $report (param $event i32) (result i32)
    (local $request i32) (local $response i32)
    (local.set $request (call $request (call $fields)))
    (call $append-path (local.get $event))
    (if (i32.or
          (i32.or
            (call $set-scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0))
            (call $set-authority (local.get $request) (i32.load8_u offset=20 (local.get $event))
              (i32.load offset=24 (local.get $event)) (i32.load offset=28 (local.get $event))))
          (call $set-path (local.get $request) (i32.const 1) (i32.const 2048) (call $line-length)))
      (then unreachable))
    (global.set $end (i32.const 2048))
    (local.set $response (call $wait (call $send (local.get $request))))
    (if (local.get $response)
      (then
        (if (i32.eq (call $status (local.get $response)) (i32.const 200)) (then (return (i32.const 0))))
        (call $append-status (local.get $response))))
    (call $retry-with (i32.const 2048) (call $line-length)))
  (func (export "session-start") (param $event i32) (result i32)
    (call $report (local.get $event)))
  (func (export "session-end") (param $event i32) (result i32)
    (call $report (local.get $event)))
  (func (export "session-compaction") (param $event i32) (result i32)
    (call $report (local.get $event))))
