//! The filter of a list of runs, as a URL has it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(filter) = std::str::from_utf8(data).ok().and_then(|text| text.parse().ok()) {
        let filter: makegood::RunFilter = filter;
        assert_eq!(filter.to_string().parse(), Ok(filter), "a filter reads back what it writes");
    }
});
