  (import "wasi:http/types@0.2.0" "[static]fields.from-list"
    (func $from-list (param $entries i32) (param $len i32) (param $answer i32)))
