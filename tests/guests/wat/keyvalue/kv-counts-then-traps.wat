;; As `kv-counts`, and then traps: what it wrote must not be seen by anyone.
(module
;; include: stdout
;; include: keyvalue
;; include: increment
;; include: memory
;; include: print
;; include: default-bucket
;; include: count-end
  (func (export "session-end") (param $event i32) (result i32)
    (call $count-end)
    unreachable))
