//! All that knows PAM.
