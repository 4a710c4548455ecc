  (import "wasi:keyvalue/atomics@0.2.0-draft" "increment"
    (func $increment (param $bucket i32) (param $key i32) (param $len i32) (param $delta i64) (param $answer i32)))
