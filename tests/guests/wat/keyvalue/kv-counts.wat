;; Counts the ends that it was told of in wasi:keyvalue, prints `ends=<n>` and answers ok: a lost write shows.
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
    i32.const 0))
