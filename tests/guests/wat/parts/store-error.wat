  ;; The text of a `wasi:keyvalue/store.error` as err(retry(text)). Needs the part `retry-with`.
  (data (i32.const 1920) "no such store" "access denied")
  (func $retry-with-error (param $error i32) (result i32)
    (block $other
      (block $denied
        (block $no-store
          (br_table $no-store $denied $other (i32.load8_u (local.get $error))))
        (return (call $retry-with (i32.const 1920) (i32.const 13))))
      (return (call $retry-with (i32.const 1933) (i32.const 13))))
    (call $retry-with (i32.load offset=4 (local.get $error)) (i32.load offset=8 (local.get $error))))
