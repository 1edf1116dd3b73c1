//! The table.

mod methods;
mod options;
mod refusals;
#[cfg(feature = "selinux")]
mod selinux;
mod sessions;
mod sites;

use crate::case::Case;

/// Rows of the table, each a test of its own.
macro_rules! cases {
    ($($(#[$line:meta])* $name:ident = $case:expr;)+) => {
        /// The rows above, with their names.
        pub const ROWS: &[(&str, $crate::case::Case)] = &[$((stringify!($name), $case)),+];
        $($(#[$line])* #[test] fn $name() { $crate::verdict::assert_compares(&$case); })+
    };
}
use cases;

/// Every row, with its name.
pub fn table() -> impl Iterator<Item = &'static (&'static str, Case)> {
    [
        methods::ROWS,
        options::ROWS,
        refusals::ROWS,
        #[cfg(feature = "selinux")]
        selinux::ROWS,
        sessions::ROWS,
        sites::ROWS,
    ]
    .into_iter()
    .flatten()
}
