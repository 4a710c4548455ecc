;; Writes its tenant's name under the key "secret" and answers ok: what `kv-steals` must not find.
(module
;; include: keyvalue
;; include: set
;; include: memory
;; include: default-bucket
  (data (i32.const 1024) "secret")
  (func (export "session-end") (param $event i32) (result i32)
    (call $set (call $default-bucket) (i32.const 1024) (i32.const 6)
      (i32.load (local.get $event)) (i32.load offset=4 (local.get $event)) (i32.const 544))
    (if (i32.load8_u (i32.const 544)) (then unreachable))
    i32.const 0))
