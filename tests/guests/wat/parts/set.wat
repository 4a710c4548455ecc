  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.set"
    (func $set (param $bucket i32) (param $key i32) (param $len i32) (param $value i32) (param $value-len i32)
      (param $answer i32)))
