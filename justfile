# The same verbs as `cargo xtask`, which needs nothing installed. `just` alone lists them.

# Arguments go through as they were quoted.
set positional-arguments

_default:
    @just --list

# Build the plugins of guest-examples/ into target/guests/
guests *names:
    cargo xtask guests "$@"

# Replay captured sessions, stop in the middle, and watch the drain
demo:
    cargo xtask demo

# Run the tests that need what the demo needs, or with --all every one, or those that nextest is told to run
test *args:
    cargo xtask test "$@"

# Run what CI runs: format, links, dependencies, lints, docs, demo, a few trials with real agents, tests
check:
    cargo xtask check

# Make one book of all documents, with a search, in target/book
book:
    cargo xtask book

# Measure the runtime against bare wasmtime, and what one drain's budget is enough for; `just bench field` against others
bench *what:
    cargo run --release --package lastword-bench -- "$@"

# Count instructions at the commit before and now, with valgrind; more than 5 % more is an error
bench-guard *args:
    cargo xtask bench-guard "$@"

# Build the program for others: an archive with its licences and a checksum, in target/dist
dist *args:
    cargo xtask dist "$@"

# Drain hostile guests again and again, without end or for a number of rounds
soak rounds="":
    LASTWORD_SOAK_ROUNDS="$1" cargo xtask test --run-ignored only --no-capture -E 'test(soak) - test(kill::soak)'

# Run the runtime's threads in more orders than the tests do, so many times as many
schedules times="20":
    LASTWORD_SCHEDULES="$1" cargo xtask test -E 'package(lastword-schedules)'

# Simulate a fleet of nodes with faults, in virtual time: no end may be lost. `just simulate --help`
simulate *args:
    cargo xtask simulate "$@"

# Kill the program again and again, on one journal after the other, without end or for a number of rounds
soak-kills rounds="":
    LASTWORD_SOAK_ROUNDS="$1" cargo xtask test --run-ignored only --no-capture -E 'test(kill::soak)'

# Look for inputs that break a promise for ten minutes: configuration, lines, journal_rows or transcript_uris
fuzz name *args:
    cargo xtask fuzz "$@"

# Make mistakes in what decides about deliveries, one at a time, and name each that no unit test notices
mutants *args:
    cargo xtask mutants "$@"
