;; A plugin of lastword:hooks@0.1.0, built when that version was the newest: the guest `prints` as component text.
;; It stands for every plugin that somebody has installed. It has to load and to be called for as long as 0.1.0 is served,
;; so it is never regenerated, and it does not go through wit/.
(component
  (type $ty-wasi:io/error@0.2.0 (;0;)
    (instance
      (export (;0;) "error" (type (sub resource)))
    )
  )
  (import "wasi:io/error@0.2.0" (instance $wasi:io/error@0.2.0 (;0;) (type $ty-wasi:io/error@0.2.0)))
  (alias export $wasi:io/error@0.2.0 "error" (type $error (;1;)))
  (type $ty-wasi:io/streams@0.2.0 (;2;)
    (instance
      (export (;0;) "output-stream" (type (sub resource)))
      (alias outer 1 $error (type (;1;)))
      (export (;2;) "error" (type (eq 1)))
      (type (;3;) (own 2))
      (type (;4;) (variant (case "last-operation-failed" 3) (case "closed")))
      (export (;5;) "stream-error" (type (eq 4)))
      (type (;6;) (borrow 0))
      (type (;7;) (list u8))
      (type (;8;) (result (error 5)))
      (type (;9;) (func (param "self" 6) (param "contents" 7) (result 8)))
      (export (;0;) "[method]output-stream.blocking-write-and-flush" (func (type 9)))
    )
  )
  (import "wasi:io/streams@0.2.0" (instance $wasi:io/streams@0.2.0 (;1;) (type $ty-wasi:io/streams@0.2.0)))
  (alias export $wasi:io/streams@0.2.0 "output-stream" (type $output-stream (;3;)))
  (type $ty-wasi:cli/stdout@0.2.0 (;4;)
    (instance
      (alias outer 1 $output-stream (type (;0;)))
      (export (;1;) "output-stream" (type (eq 0)))
      (type (;2;) (own 1))
      (type (;3;) (func (result 2)))
      (export (;0;) "get-stdout" (func (type 3)))
    )
  )
  (import "wasi:cli/stdout@0.2.0" (instance $wasi:cli/stdout@0.2.0 (;2;) (type $ty-wasi:cli/stdout@0.2.0)))
  (type $ty-lastword:hooks/types@0.1.0 (;5;)
    (instance
      (type (;0;) (record (field "uri" string) (field "archived" bool)))
      (export (;1;) "transcript" (type (eq 0)))
      (type (;2;) string)
      (export (;3;) "timestamp" (type (eq 2)))
      (type (;4;) (tuple string string))
      (type (;5;) (list 4))
      (export (;6;) "attributes" (type (eq 5)))
      (type (;7;) (option string))
      (type (;8;) (option 1))
      (type (;9;) (option 3))
      (type (;10;) (record (field "tenant" string) (field "id" string) (field "generation" u32) (field "key" 7) (field "agent-id" 7) (field "owner-kind" 7) (field "cwd" 7) (field "transcript" 8) (field "started-at" 9) (field "attributes" 6)))
      (export (;11;) "session" (type (eq 10)))
      (type (;12;) (record (field "id" string) (field "attempt" u32) (field "remaining-ms" u32) (field "late" bool)))
      (export (;13;) "delivery" (type (eq 12)))
      (type (;14;) (record (field "session" 11) (field "delivery" 13) (field "source" 7) (field "resumed-from" 7) (field "attributes" 6)))
      (export (;15;) "session-start-event" (type (eq 14)))
      (type (;16;) (variant (case "new") (case "reset") (case "idle") (case "daily") (case "compaction") (case "deleted") (case "shutdown") (case "restart") (case "clear") (case "resume") (case "logout") (case "user-exit") (case "completed") (case "aborted") (case "error") (case "timeout") (case "crashed") (case "unknown") (case "other" string)))
      (export (;17;) "end-reason" (type (eq 16)))
      (type (;18;) (option u32))
      (type (;19;) (record (field "session" 11) (field "delivery" 13) (field "reason" 17) (field "raw-reason" 7) (field "ended-at" 3) (field "duration-ms" 18) (field "message-count" 18) (field "next-session-id" 7) (field "next-session-key" 7) (field "attributes" 6)))
      (export (;20;) "session-end-event" (type (eq 19)))
      (type (;21;) (enum "before" "after"))
      (export (;22;) "compaction-phase" (type (eq 21)))
      (type (;23;) (record (field "session" 11) (field "delivery" 13) (field "phase" 22) (field "message-count" 18) (field "compacted-count" 18) (field "token-count" 18) (field "previous-session-id" 7) (field "attributes" 6)))
      (export (;24;) "session-compaction-event" (type (eq 23)))
      (type (;25;) (variant (case "retry" string) (case "fatal" string)))
      (export (;26;) "hook-error" (type (eq 25)))
    )
  )
  (import "lastword:hooks/types@0.1.0" (instance $lastword:hooks/types@0.1.0 (;3;) (type $ty-lastword:hooks/types@0.1.0)))
  (alias export $lastword:hooks/types@0.1.0 "session-start-event" (type $session-start-event (;6;)))
  (import "session-start-event" (type $"#type7 session-start-event" (@name "session-start-event") (;7;) (eq $session-start-event)))
  (alias export $lastword:hooks/types@0.1.0 "session-end-event" (type $session-end-event (;8;)))
  (import "session-end-event" (type $"#type9 session-end-event" (@name "session-end-event") (;9;) (eq $session-end-event)))
  (alias export $lastword:hooks/types@0.1.0 "session-compaction-event" (type $session-compaction-event (;10;)))
  (import "session-compaction-event" (type $"#type11 session-compaction-event" (@name "session-compaction-event") (;11;) (eq $session-compaction-event)))
  (alias export $lastword:hooks/types@0.1.0 "hook-error" (type $hook-error (;12;)))
  (import "hook-error" (type $"#type13 hook-error" (@name "hook-error") (;13;) (eq $hook-error)))
  (core module $main (;0;)
    (type (;0;) (func (result i32)))
    (type (;1;) (func (param i32 i32 i32 i32)))
    (type (;2;) (func (param i32 i32 i32 i32) (result i32)))
    (type (;3;) (func (param i32 i32)))
    (type (;4;) (func (param i32)))
    (type (;5;) (func (param i32) (result i32)))
    (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get-stdout (;0;) (type 0)))
    (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $write (;1;) (type 1)))
    (memory (;0;) 1)
    (global $heap (;0;) (mut i32) i32.const 8192)
    (global $end (;1;) (mut i32) i32.const 2048)
    (export "memory" (memory 0))
    (export "cabi_realloc" (func 2))
    (export "session-start" (func 6))
    (export "session-end" (func 7))
    (export "session-compaction" (func 8))
    (func (;2;) (type 2) (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32) (local $missing i32)
      global.get $heap
      local.get $align
      i32.add
      i32.const 1
      i32.sub
      i32.const 0
      local.get $align
      i32.sub
      i32.and
      local.set $at
      local.get $at
      local.get $size
      i32.add
      global.set $heap
      global.get $heap
      memory.size
      i32.const 16
      i32.shl
      i32.sub
      local.set $missing
      local.get $missing
      i32.const 0
      i32.gt_s
      if ;; label = @1
        local.get $missing
        i32.const 65535
        i32.add
        i32.const 16
        i32.shr_u
        memory.grow
        i32.const -1
        i32.eq
        if ;; label = @2
          unreachable
        end
      end
      local.get $at
    )
    (func $append (;3;) (type 3) (param $text i32) (param $len i32)
      global.get $end
      local.get $text
      local.get $len
      memory.copy
      global.get $end
      local.get $len
      i32.add
      global.set $end
    )
    (func $append-number (;4;) (type 4) (param $n i32)
      local.get $n
      i32.const 10
      i32.ge_u
      if ;; label = @1
        local.get $n
        i32.const 10
        i32.div_u
        call $append-number
      end
      global.get $end
      i32.const 48
      local.get $n
      i32.const 10
      i32.rem_u
      i32.add
      i32.store8
      global.get $end
      i32.const 1
      i32.add
      global.set $end
    )
    (func $print-event (;5;) (type 1) (param $event i32) (param $hook i32) (param $hook-len i32) (param $say-late i32)
      local.get $hook
      local.get $hook-len
      call $append
      local.get $event
      i32.load offset=8
      local.get $event
      i32.load offset=12
      call $append
      i32.const 1069
      i32.const 9
      call $append
      local.get $event
      i32.load offset=112
      call $append-number
      local.get $say-late
      local.get $event
      i32.load8_u offset=120
      i32.and
      if ;; label = @1
        i32.const 1078
        i32.const 5
        call $append
      end
      i32.const 1083
      i32.const 1
      call $append
      call $get-stdout
      i32.const 2048
      global.get $end
      i32.const 2048
      i32.sub
      i32.const 512
      call $write
      i32.const 512
      i32.load8_u
      if ;; label = @1
        unreachable
      end
    )
    (func (;6;) (type 5) (param $event i32) (result i32)
      local.get $event
      i32.const 1024
      i32.const 14
      i32.const 0
      call $print-event
      i32.const 0
    )
    (func (;7;) (type 5) (param $event i32) (result i32)
      local.get $event
      i32.const 1038
      i32.const 12
      i32.const 0
      call $print-event
      i32.const 0
    )
    (func (;8;) (type 5) (param $event i32) (result i32)
      local.get $event
      i32.const 1050
      i32.const 19
      i32.const 0
      call $print-event
      i32.const 0
    )
    (data (;0;) (i32.const 1024) "session-start session-end session-compaction  attempt= late\0a")
    (@producers
      (processed-by "wit-component" "0.254.2")
    )
  )
  (core module $wit-component-shim-module (;1;)
    (type (;0;) (func (param i32 i32 i32 i32)))
    (table (;0;) 1 1 funcref)
    (export "0" (func 0))
    (export "$imports" (table 0))
    (func (;0;) (type 0) (param i32 i32 i32 i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      i32.const 0
      call_indirect (type 0)
    )
    (@producers
      (processed-by "wit-component" "0.254.2")
    )
  )
  (core module $wit-component-fixup (;2;)
    (type (;0;) (func (param i32 i32 i32 i32)))
    (import "" "0" (func (;0;) (type 0)))
    (import "" "$imports" (table (;0;) 1 1 funcref))
    (elem (;0;) (i32.const 0) func 0)
    (@producers
      (processed-by "wit-component" "0.254.2")
    )
  )
  (core instance $wit-component-shim-instance (;0;) (instantiate $wit-component-shim-module))
  (alias export $wasi:cli/stdout@0.2.0 "get-stdout" (func $get-stdout (;0;)))
  (core func $get-stdout (;0;) (canon lower (func $get-stdout)))
  (core instance $wasi:cli/stdout@0.2.0 (;1;)
    (export "get-stdout" (func $get-stdout))
  )
  (alias core export $wit-component-shim-instance "0" (core func $"indirect-wasi:io/streams@0.2.0-[method]output-stream.blocking-write-and-flush" (;1;)))
  (core instance $wasi:io/streams@0.2.0 (;2;)
    (export "[method]output-stream.blocking-write-and-flush" (func $"indirect-wasi:io/streams@0.2.0-[method]output-stream.blocking-write-and-flush"))
  )
  (core instance $main (;3;) (instantiate $main
      (with "wasi:cli/stdout@0.2.0" (instance $wasi:cli/stdout@0.2.0))
      (with "wasi:io/streams@0.2.0" (instance $wasi:io/streams@0.2.0))
    )
  )
  (alias core export $main "memory" (core memory $memory (;0;)))
  (alias core export $wit-component-shim-instance "$imports" (core table $"shim table" (;0;)))
  (alias export $wasi:io/streams@0.2.0 "[method]output-stream.blocking-write-and-flush" (func $"[method]output-stream.blocking-write-and-flush" (;1;)))
  (alias core export $main "cabi_realloc" (core func $realloc (;2;)))
  (core func $"#core-func3 indirect-wasi:io/streams@0.2.0-[method]output-stream.blocking-write-and-flush" (@name "indirect-wasi:io/streams@0.2.0-[method]output-stream.blocking-write-and-flush") (;3;) (canon lower (func $"[method]output-stream.blocking-write-and-flush") (memory $memory)))
  (core instance $fixup-args (;4;)
    (export "$imports" (table $"shim table"))
    (export "0" (func $"#core-func3 indirect-wasi:io/streams@0.2.0-[method]output-stream.blocking-write-and-flush"))
  )
  (core instance $fixup (;5;) (instantiate $wit-component-fixup
      (with "" (instance $fixup-args))
    )
  )
  (type (;14;) (result (error $"#type13 hook-error")))
  (type (;15;) (func (param "event" $"#type7 session-start-event") (result 14)))
  (alias core export $main "session-start" (core func $session-start (;4;)))
  (func $session-start (;2;) (type 15) (canon lift (core func $session-start) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (export $"#func3 session-start" (@name "session-start") (;3;) "session-start" (func $session-start))
  (type (;16;) (func (param "event" $"#type9 session-end-event") (result 14)))
  (alias core export $main "session-end" (core func $session-end (;5;)))
  (func $session-end (;4;) (type 16) (canon lift (core func $session-end) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (export $"#func5 session-end" (@name "session-end") (;5;) "session-end" (func $session-end))
  (type (;17;) (func (param "event" $"#type11 session-compaction-event") (result 14)))
  (alias core export $main "session-compaction" (core func $session-compaction (;6;)))
  (func $session-compaction (;6;) (type 17) (canon lift (core func $session-compaction) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (export $"#func7 session-compaction" (@name "session-compaction") (;7;) "session-compaction" (func $session-compaction))
  (@producers
    (processed-by "wit-component" "0.254.2")
  )
)
