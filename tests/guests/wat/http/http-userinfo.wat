;; GETs `user:secret@<the session's key>`: an allow-list that compares texts, or splits them at the wrong sign, can be
;; led to another host by it. Prints as `http-gets` and answers ok.
(module
;; include: stdout
;; include: http
;; include: response-body
;; include: memory
;; include: print
;; include: send
;; include: read-body
;; include: print-response
  (data (i32.const 1024) "user:secret@")
  (func (export "session-end") (param $event i32) (result i32)
    (memory.copy (i32.const 1036) (i32.load offset=24 (local.get $event)) (i32.load offset=28 (local.get $event)))
    (i32.store offset=24 (local.get $event) (i32.const 1024))
    (i32.store offset=28 (local.get $event) (i32.add (i32.load offset=28 (local.get $event)) (i32.const 12)))
    (call $print-response (call $wait (call $send (call $new-request (local.get $event) (call $fields)))))
    i32.const 0))
