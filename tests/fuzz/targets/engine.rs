//! libFuzzer's entry to `vicinal_fuzz::engine`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vicinal_fuzz::engine(data));
