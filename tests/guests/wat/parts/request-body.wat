  (import "wasi:http/types@0.2.0" "[method]outgoing-request.body"
    (func $request-body (param $request i32) (param $answer i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-body.write"
    (func $body-writer (param $body i32) (param $answer i32)))
  (import "wasi:http/types@0.2.0" "[static]outgoing-body.finish"
    (func $finish (param $body i32) (param $has-trailers i32) (param $trailers i32) (param $answer i32)))
  (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream" (func $drop-writer (param $stream i32)))
