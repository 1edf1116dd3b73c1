//! Runs a plan: all of it, or nothing.
