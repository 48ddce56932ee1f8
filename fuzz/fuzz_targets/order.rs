//! The body of an order.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    api::entry::order(data);
});
