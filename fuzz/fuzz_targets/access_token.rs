//! An access token.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    api::entry::access_token(data);
});
