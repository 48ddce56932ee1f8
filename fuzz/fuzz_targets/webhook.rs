//! The body of a webhook whose signature was right.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    api::entry::webhook(data);
});
