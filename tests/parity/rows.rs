//! The table.

mod methods;
mod options;
mod refusals;
#[cfg(feature = "selinux")]
mod selinux;
mod sessions;
mod sites;

use crate::row::Row;

/// Rows of the table, each a test of its own.
macro_rules! rows {
    ($($(#[$line:meta])* $name:ident = $row:expr;)+) => {
        /// The rows above, with their names.
        pub const ROWS: &[(&str, $crate::row::Row)] = &[$((stringify!($name), $row)),+];
        $($(#[$line])* #[test] fn $name() { $crate::judgement::assert_compares(&$row); })+
    };
}
use rows;

/// Every row, with its name.
pub fn table() -> impl Iterator<Item = &'static (&'static str, Row)> {
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
