//! The ledger in `/run/jns`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pam_jns_fuzz::judges::records(bytes));
