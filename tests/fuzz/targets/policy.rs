//! Policy files, and the plans that they make.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pam_jns_fuzz::judges::policy(bytes));
