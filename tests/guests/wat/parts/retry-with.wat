  ;; err(retry(…)) with at most 200 bytes of a text.
  (func $retry-with (param $text i32) (param $len i32) (result i32)
    (i64.store (i32.const 16) (i64.const 1))
    (i32.store (i32.const 24) (local.get $text))
    (i32.store (i32.const 28)
      (select (local.get $len) (i32.const 200) (i32.lt_u (local.get $len) (i32.const 200))))
    i32.const 16)
