;; Opens stores under the names that another plugin's or tenant's might have. In those that open it looks for the key
;; "secret" and for any key at all, and traps when it finds one; it writes nothing itself. Prints `tried=<n>`.
(module
;; include: stdout
;; include: keyvalue
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.get"
    (func $get (param $bucket i32) (param $key i32) (param $len i32) (param $answer i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.list-keys"
    (func $list (param $bucket i32) (param $resumes i32) (param $cursor i64) (param $answer i32)))
;; include: memory
;; include: print
  (data (i32.const 1024) "secret" "tried=")
  ;; Each name ends with a zero. The empty name, its own store, comes last.
  (data (i32.const 1100) "default\00" "other\00" "../other\00" "acme/other\00" "acme/kv-plants-secret\00"
    "kv-plants-secret\00" "../kv-plants-secret\00" "/\00" "..\00" "*\00" "%\00" "default/\00" "\00")
  (global $tried (mut i64) (i64.const 0))
  (func $look-into (param $id i32) (param $len i32)
    (local $bucket i32)
    (global.set $tried (i64.add (global.get $tried) (i64.const 1)))
    (call $open (local.get $id) (local.get $len) (i32.const 544))
    (if (i32.load8_u (i32.const 544)) (then return))
    (local.set $bucket (i32.load (i32.const 548)))
    (call $get (local.get $bucket) (i32.const 1024) (i32.const 6) (i32.const 544))
    (if (i32.eqz (i32.load8_u (i32.const 544)))
      (then (if (i32.load8_u (i32.const 548)) (then unreachable))))
    ;; The answer at 600: ok at 600, the number of keys at 612.
    (call $list (local.get $bucket) (i32.const 0) (i64.const 0) (i32.const 600))
    (if (i32.eqz (i32.load8_u (i32.const 600)))
      (then (if (i32.load (i32.const 612)) (then unreachable)))))
  (func (export "session-end") (param $event i32) (result i32)
    (local $at i32) (local $len i32)
    (local.set $at (i32.const 1100))
    (loop $name
      (local.set $len (i32.const 0))
      (loop $byte
        (if (i32.load8_u (i32.add (local.get $at) (local.get $len)))
          (then
            (local.set $len (i32.add (local.get $len) (i32.const 1)))
            (br $byte))))
      (call $look-into (local.get $at) (local.get $len))
      (local.set $at (i32.add (i32.add (local.get $at) (local.get $len)) (i32.const 1)))
      (br_if $name (local.get $len)))
    (call $append (i32.const 1030) (i32.const 6))
    (call $append-number (global.get $tried))
    (call $print-line)
    i32.const 0))
