;; GETs what the session names again and again, each after the response or error of the one before, and minds neither.
(module
;; include: stdout
;; include: http
  (import "wasi:http/types@0.2.0" "[resource-drop]future-incoming-response" (func $drop-future (param $future i32)))
  (import "wasi:http/types@0.2.0" "[resource-drop]incoming-response" (func $drop-response (param $response i32)))
;; include: memory
;; include: print
;; include: send
  (func (export "session-end") (param $event i32) (result i32)
    (local $future i32) (local $response i32) (local $fresh i32)
    (local.set $fresh (global.get $heap))
    (loop $again
      (if (local.tee $future (call $send (call $new-request (local.get $event) (call $fields))))
        (then
          (if (local.tee $response (call $wait (local.get $future)))
            (then (call $drop-response (local.get $response))))
          (call $drop-future (local.get $future))))
      ;; Errors are not printed, and their texts are not kept.
      (global.set $end (i32.const 2048))
      (global.set $heap (local.get $fresh))
      (br $again))
    unreachable))
