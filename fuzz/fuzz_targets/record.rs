//! The record of a run, as a claim returns it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        makegood::microbench::Bench::read(text);
    }
});
