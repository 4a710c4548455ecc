  (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.0" "[constructor]outgoing-request" (func $request (param $headers i32) (result i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-request.set-method"
    (func $set-method (param $request i32) (param $method i32) (param $text i32) (param $len i32) (result i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-request.set-scheme"
    (func $set-scheme (param $request i32) (param $some i32) (param $scheme i32) (param $text i32) (param $len i32)
      (result i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-request.set-authority"
    (func $set-authority (param $request i32) (param $some i32) (param $text i32) (param $len i32) (result i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-request.set-path-with-query"
    (func $set-path (param $request i32) (param $some i32) (param $text i32) (param $len i32) (result i32)))
  (import "wasi:http/outgoing-handler@0.2.0" "handle"
    (func $handle (param $request i32) (param $has-options i32) (param $options i32) (param $answer i32)))
  (import "wasi:http/types@0.2.0" "[method]future-incoming-response.subscribe"
    (func $on-response (param $future i32) (result i32)))
  (import "wasi:http/types@0.2.0" "[method]future-incoming-response.get"
    (func $get-response (param $future i32) (param $answer i32)))
  (import "wasi:http/types@0.2.0" "[method]incoming-response.status"
    (func $status (param $response i32) (result i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param $pollable i32)))
  (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop-pollable (param $pollable i32)))
