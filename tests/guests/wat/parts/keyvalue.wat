  (import "wasi:keyvalue/store@0.2.0-draft" "open"
    (func $open (param $id i32) (param $len i32) (param $answer i32)))
