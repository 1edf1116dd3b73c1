//! The log, alive for one hook.
