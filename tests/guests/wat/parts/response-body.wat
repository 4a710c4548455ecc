  (import "wasi:http/types@0.2.0" "[method]incoming-response.consume"
    (func $consume (param $response i32) (param $answer i32)))
  (import "wasi:http/types@0.2.0" "[method]incoming-body.stream"
    (func $body-stream (param $body i32) (param $answer i32)))
  (import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-read"
    (func $read (param $stream i32) (param $max i64) (param $answer i32)))
  (import "wasi:http/types@0.2.0" "http-error-code" (func $error-code (param $error i32) (param $answer i32)))
