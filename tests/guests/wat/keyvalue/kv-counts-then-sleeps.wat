;; As `kv-counts`, and then waits for 20 ms in the host: several calls have the same key in their hands at once.
(module
;; include: stdout
;; include: timer
;; include: keyvalue
;; include: increment
;; include: memory
;; include: print
;; include: default-bucket
;; include: count-end
  (func (export "session-end") (param $event i32) (result i32)
    (call $count-end)
    (call $block (call $after (i64.const 20000000)))
    i32.const 0))
