;; Sends one request after another to what the session names and waits for none of them.
(module
;; include: stdout
;; include: http
;; include: memory
;; include: print
;; include: send
  (func (export "session-end") (param $event i32) (result i32)
    (local $fresh i32)
    (local.set $fresh (global.get $heap))
    (loop $again
      (drop (call $send (call $new-request (local.get $event) (call $fields))))
      (global.set $end (i32.const 2048))
      (global.set $heap (local.get $fresh))
      (br $again))
    unreachable))
