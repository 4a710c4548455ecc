  (import "wasi:http/types@0.2.0" "[method]fields.append"
    (func $append-header (param $fields i32) (param $name i32) (param $name-len i32) (param $value i32)
      (param $value-len i32) (param $answer i32)))
