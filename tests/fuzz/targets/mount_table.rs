//! `/proc/PID/mountinfo`, in which users have put names of their own.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pam_jns_fuzz::judges::mount_table(bytes));
