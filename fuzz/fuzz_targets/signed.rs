//! A signature, and the body that it is said to be of.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    api::entry::signed(data);
});
