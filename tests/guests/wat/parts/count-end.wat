  ;; Adds one to the key "ends" and prints "ends=<n>". Needs the parts `default-bucket`, `increment` and `print`.
  (data (i32.const 1024) "ends=")
  (func $count-end
    (call $increment (call $default-bucket) (i32.const 1024) (i32.const 4) (i64.const 1) (i32.const 544))
    (if (i32.load8_u (i32.const 544)) (then unreachable))
    (call $append (i32.const 1024) (i32.const 5))
    (call $append-number (i64.load (i32.const 552)))
    (call $print-line))
