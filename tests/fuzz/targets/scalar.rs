//! libFuzzer's entry to `vicinal_fuzz::scalar`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vicinal_fuzz::scalar(data));
