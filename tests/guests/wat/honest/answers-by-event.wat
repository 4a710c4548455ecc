;; Answers by what it is told, so that whoever knows the event knows the answer: `fatal` to a compaction `before` and to an
;; end for a `restart`, otherwise `retry` to attempts with an odd number and ok to those with an even one.
(module
;; include: memory
  ;; err(retry("not now"))
  (data (i32.const 16) "\01\00\00\00" "\00\00\00\00" "\20\00\00\00" "\07\00\00\00" "not now")
  ;; err(fatal("never"))
  (data (i32.const 48) "\01\00\00\00" "\01\00\00\00" "\40\00\00\00" "\05\00\00\00" "never")
  (func $by-attempt (param $event i32) (result i32)
    (select (i32.const 16) (i32.const 0)
      (i32.and (i32.load offset=112 (local.get $event)) (i32.const 1))))
  (export "session-start" (func $by-attempt))
  ;; At 124: the phase, `before` is 0.
  (func (export "session-compaction") (param $event i32) (result i32)
    (if (i32.eqz (i32.load8_u offset=124 (local.get $event)))
      (then (return (i32.const 48))))
    (call $by-attempt (local.get $event)))
  ;; At 124: the reason, `restart` is 7.
  (func (export "session-end") (param $event i32) (result i32)
    (if (i32.eq (i32.load8_u offset=124 (local.get $event)) (i32.const 7))
      (then (return (i32.const 48))))
    (call $by-attempt (local.get $event))))
