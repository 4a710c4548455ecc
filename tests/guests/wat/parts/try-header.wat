  ;; The cases of `header-error`, after ok. Needs the parts `append-header` and `print`.
  (data (i32.const 1860) "ok\ninvalid-syntax\nforbidden\nimmutable\n")
  ;; Adds a header and prints `<name>=<what came of it>`.
  (func $try-header (param $fields i32) (param $name i32) (param $name-len i32) (param $value i32)
    (param $value-len i32)
    (call $append-header (local.get $fields) (local.get $name) (local.get $name-len)
      (local.get $value) (local.get $value-len) (i32.const 544))
    (call $append (local.get $name) (local.get $name-len))
    (call $append-byte (i32.const 61))
    (call $append-nth (i32.const 1860)
      (i32.mul (i32.load8_u (i32.const 544)) (i32.add (i32.load8_u (i32.const 545)) (i32.const 1))))
    (call $print-line))
