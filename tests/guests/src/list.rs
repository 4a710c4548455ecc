//! Every guest by name: by the folder in `wat/` that its text is in, and those that are made by program.

use crate::bombs;
use crate::wrap::World;

macro_rules! guests {
    ($($folder:literal: { $($name:literal in $world:ident,)* })* built: { $($built:literal = $bytes:expr,)* }) => {
        /// Every guest that [`component`](crate::component) knows.
        pub const NAMES: &[&str] = &[$($($name,)*)* $($built,)*];

        /// The guests that docs/security.md is about: all but those that only do their work.
        pub fn hostile() -> impl Iterator<Item = &'static str> {
            let by_folder = [$(($folder, [$($name),*].as_slice()),)* ("built", [$($built),*].as_slice())];
            let hostile = by_folder.into_iter().filter(|(folder, _)| *folder != "honest");
            hostile.flat_map(|(_, names)| names.iter().copied()).filter(|name| *name != "burn")
        }

        /// The text of the guest `name`, and the world that it is wrapped for.
        pub(crate) fn source(name: &str) -> Option<(&'static str, World)> {
            match name {
                $($($name => Some((include_str!(concat!("../wat/", $folder, "/", $name, ".wat")), World::$world)),)*)*
                _ => None,
            }
        }

        /// The guest `name`, if it is made by program.
        pub(crate) fn built(name: &str) -> Option<Vec<u8>> {
            match name {
                $($built => Some($bytes),)*
                _ => None,
            }
        }
    };
}

guests! {
    // Do their work, or say why not.
    "honest": {
        "good" in SessionEnd,
        "good-all" in AllHooks,
        "prints" in AllHooks,
        "prints-late" in AllHooks,
        "prints-much" in SessionEnd,
        "prints-partly" in SessionEnd,
        "prints-partly-and-spins" in SessionEnd,
        "start-fails" in AllHooks,
        "starts-late" in AllHooks,
        "answers-by-event" in AllHooks,
        "retry" in SessionEnd,
        "flips-a-coin" in SessionEnd,
        "retry-by-attempt" in SessionEnd,
        "fatal" in SessionEnd,
        "sleep-50ms" in SessionEnd,
        "needs-40mib" in SessionEnd,
        "grow-and-go-on" in SessionEnd,
        "sees-nothing" in SessionEnd,
        "config-prints" in SessionEnd,
        "http-reports" in AllHooks,
        "kv-many-small" in SessionEnd,
        "kv-mebibyte" in SessionEnd,
    }
    // Use `wasi:keyvalue`, well and badly.
    "keyvalue": {
        "kv-counts" in SessionEnd,
        "kv-counts-then-fails" in SessionEnd,
        "kv-counts-then-traps" in SessionEnd,
        "kv-counts-then-sleeps" in SessionEnd,
        "kv-remembers" in SessionEnd,
        "kv-plants-secret" in SessionEnd,
        "kv-steals" in SessionEnd,
        "kv-flood" in SessionEnd,
        "kv-flood-on" in SessionEnd,
        "kv-big-key" in SessionEnd,
        "kv-increments-text" in SessionEnd,
        "kv-opens-many" in SessionEnd,
    }
    // Use `wasi:http`, well and badly.
    "http": {
        "http-gets" in SessionEnd,
        "http-posts" in SessionEnd,
        "http-posts-first" in SessionEnd,
        "http-finishes-early" in SessionEnd,
        "http-reads-forever" in SessionEnd,
        "http-uploads-forever" in SessionEnd,
        "http-floods" in SessionEnd,
        "http-opens-many" in SessionEnd,
        "http-opens-and-leaves" in SessionEnd,
        "http-connects" in SessionEnd,
        "http-host-header" in SessionEnd,
        "http-huge-header" in SessionEnd,
        "http-injects" in SessionEnd,
        "http-userinfo" in SessionEnd,
        "http-piles-fields" in SessionEnd,
        "http-piles-clones" in SessionEnd,
        "http-piles-values" in SessionEnd,
        "http-piles-requests" in SessionEnd,
        "http-piles-bodies" in SessionEnd,
        "http-piles-pieces" in SessionEnd,
        "http-piles-and-waits" in SessionEnd,
    }
    // Use the transcript, well and badly.
    "transcript": {
        "transcript-reads" in SessionEnd,
        "transcript-tricks" in SessionEnd,
        "reads-other-fds" in SessionEnd,
    }
    // Mean harm when they are called.
    "hostile": {
        "spin" in SessionEnd,
        "spin-start" in SessionEnd,
        "spin-on-x" in SessionEnd,
        "fill-loop" in SessionEnd,
        "copy-loop" in SessionEnd,
        "sleep" in SessionEnd,
        "poll-forever" in SessionEnd,
        "asks-ready" in SessionEnd,
        "sleeps-briefly-forever" in SessionEnd,
        "trap" in SessionEnd,
        "start-traps" in SessionEnd,
        "divide" in SessionEnd,
        "out-of-bounds" in SessionEnd,
        "bad-indirect-call" in SessionEnd,
        "recurse" in SessionEnd,
        "recurse-mutually" in SessionEnd,
        "exit" in SessionEnd,
        "writes-too-much" in SessionEnd,
        "polls-nothing" in SessionEnd,
        "grow" in SessionEnd,
        "grow-storm" in SessionEnd,
        "grow-table" in SessionEnd,
        "realloc-traps" in SessionEnd,
        "realloc-spins" in SessionEnd,
        "realloc-grows" in SessionEnd,
        "realloc-calls-host" in SessionEnd,
        "realloc-lies-outside" in SessionEnd,
        "realloc-lies-at-the-end" in SessionEnd,
        "realloc-lies-unaligned" in SessionEnd,
        "realloc-lies-same" in SessionEnd,
        "start-calls-host" in SessionEnd,
        "start-floods-host" in SessionEnd,
        "start-grows" in SessionEnd,
        "post-return-traps" in SessionEnd,
        "post-return-spins" in SessionEnd,
        "answers-50mb" in SessionEnd,
        "answers-100mb" in SessionEnd,
        "answers-invalid-utf8" in SessionEnd,
        "answers-wild-pointer" in SessionEnd,
        "answers-wild-text" in SessionEnd,
        "answers-unaligned" in SessionEnd,
        "answers-bad-variant" in SessionEnd,
        "long-excuse" in SessionEnd,
        "forges" in SessionEnd,
        "host-call-loop" in SessionEnd,
        "log-flood" in SessionEnd,
        "log-flood-empty-lines" in SessionEnd,
        "prints-50mb" in SessionEnd,
        "prints-then-traps" in SessionEnd,
        "asks-much-random" in SessionEnd,
        "random-flood" in SessionEnd,
        "random-u64-flood" in SessionEnd,
        "many-handles" in SessionEnd,
        "stream-flood" in SessionEnd,
        "forges-handle" in SessionEnd,
        "scans-memory" in SessionEnd,
    }
    // Are refused when they are loaded.
    "refused": {
        "imports-http" in SessionEnd,
        "imports-keyvalue" in SessionEnd,
        "imports-config" in SessionEnd,
        "imports-unheard-of" in SessionEnd,
        "no-session-end" in SessionStartOnly,
        "wrong-session-end" in WrongSessionEnd,
        "wrong-session-start" in WrongSessionStart,
        "needs-4gib" in SessionEnd,
        "many-tables" in SessionEnd,
    }
    built: {
        "burn" = crate::burn(crate::BURN_ITERATIONS),
        "many-memories" = bombs::many_memories(8),
        "many-instances" = bombs::many_instances(200),
    }
}
