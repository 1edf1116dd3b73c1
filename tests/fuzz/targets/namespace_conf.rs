//! pam_namespace's configuration, from which a policy is made.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pam_jns_fuzz::judges::namespace_conf(bytes));
