;; Writes "seen" under the session's id and reads its own write back in every way that the store has; traps when one of
;; them does not show it. Prints `keys=<n>`, the keys that `list-keys` gives, and answers ok.
(module
;; include: stdout
;; include: keyvalue
;; include: set
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.get"
    (func $get (param $bucket i32) (param $key i32) (param $len i32) (param $answer i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.exists"
    (func $exists (param $bucket i32) (param $key i32) (param $len i32) (param $answer i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.delete"
    (func $delete (param $bucket i32) (param $key i32) (param $len i32) (param $answer i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.list-keys"
    (func $list (param $bucket i32) (param $resumes i32) (param $cursor i64) (param $answer i32)))
;; include: memory
;; include: print
;; include: default-bucket
  (data (i32.const 1024) "seen" "never written" "keys=")
  (func $same (param $a i32) (param $b i32) (param $len i32) (result i32)
    (block $differ
      (loop $next
        (if (i32.eqz (local.get $len)) (then (return (i32.const 1))))
        (local.set $len (i32.sub (local.get $len) (i32.const 1)))
        (br_if $differ
          (i32.ne
            (i32.load8_u (i32.add (local.get $a) (local.get $len)))
            (i32.load8_u (i32.add (local.get $b) (local.get $len)))))
        (br $next)))
    i32.const 0)
  ;; Goes through all pages of keys: counts them, and traps when $key is not among them.
  (func $count-keys (param $bucket i32) (param $key i32) (param $len i32) (result i32)
    (local $count i32) (local $found i32) (local $left i32) (local $at i32)
    (i32.store8 (i32.const 616) (i32.const 0))
    (loop $page
      ;; The answer at 600: ok at 600, the keys at 608 and 612, the cursor at 616 and 624.
      (call $list (local.get $bucket) (i32.load8_u (i32.const 616)) (i64.load (i32.const 624)) (i32.const 600))
      (if (i32.load8_u (i32.const 600)) (then unreachable))
      (local.set $at (i32.load (i32.const 608)))
      (local.set $left (i32.load (i32.const 612)))
      (local.set $count (i32.add (local.get $count) (local.get $left)))
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $left)))
          (if (i32.eq (i32.load offset=4 (local.get $at)) (local.get $len))
            (then
              (if (call $same (i32.load (local.get $at)) (local.get $key) (local.get $len))
                (then (local.set $found (i32.const 1))))))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $next)))
      (br_if $page (i32.load8_u (i32.const 616))))
    (if (i32.eqz (local.get $found)) (then unreachable))
    (local.get $count))
  (func (export "session-end") (param $event i32) (result i32)
    (local $bucket i32) (local $key i32) (local $len i32)
    (local.set $bucket (call $default-bucket))
    (local.set $key (i32.load offset=8 (local.get $event)))
    (local.set $len (i32.load offset=12 (local.get $event)))
    (call $set (local.get $bucket) (local.get $key) (local.get $len) (i32.const 1024) (i32.const 4) (i32.const 544))
    (if (i32.load8_u (i32.const 544)) (then unreachable))
    ;; ok(some("seen"))
    (call $get (local.get $bucket) (local.get $key) (local.get $len) (i32.const 544))
    (if (i32.load8_u (i32.const 544)) (then unreachable))
    (if (i32.ne (i32.load8_u (i32.const 548)) (i32.const 1)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 556)) (i32.const 4)) (then unreachable))
    (if (i32.eqz (call $same (i32.load (i32.const 552)) (i32.const 1024) (i32.const 4))) (then unreachable))
    ;; ok(true)
    (call $exists (local.get $bucket) (local.get $key) (local.get $len) (i32.const 544))
    (if (i32.load8_u (i32.const 544)) (then unreachable))
    (if (i32.ne (i32.load8_u (i32.const 548)) (i32.const 1)) (then unreachable))
    ;; A key that is not there: ok(none), ok(false), and nothing to delete is ok.
    (call $get (local.get $bucket) (i32.const 1028) (i32.const 13) (i32.const 544))
    (if (i32.or (i32.load8_u (i32.const 544)) (i32.load8_u (i32.const 548))) (then unreachable))
    (call $exists (local.get $bucket) (i32.const 1028) (i32.const 13) (i32.const 544))
    (if (i32.or (i32.load8_u (i32.const 544)) (i32.load8_u (i32.const 548))) (then unreachable))
    (call $delete (local.get $bucket) (i32.const 1028) (i32.const 13) (i32.const 544))
    (if (i32.load8_u (i32.const 544)) (then unreachable))
    (call $append (i32.const 1041) (i32.const 5))
    (call $append-number
      (i64.extend_i32_u (call $count-keys (local.get $bucket) (local.get $key) (local.get $len))))
    (call $print-line)
    i32.const 0))
