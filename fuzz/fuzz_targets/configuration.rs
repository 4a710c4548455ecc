#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| lastword_fuzzed::configuration(input));
