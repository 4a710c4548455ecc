  (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param $answer i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at"
    (func $open-at (param $dir i32) (param $follow i32) (param $path i32) (param $len i32) (param $open-flags i32)
      (param $flags i32) (param $answer i32)))
