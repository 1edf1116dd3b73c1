//! The manual page lists every difference that the table has, and no other.

use crate::rows::table;
use std::collections::BTreeSet;

const SECTION: &str = "\n.Sh DIFFERENCES FROM pam_namespace\n";

#[test]
fn every_difference_is_documented_and_every_documented_one_is_shown() {
    let page = include_str!("../../man/pam_jns.8");
    let (_, section) = page.split_once(SECTION).expect("the section is there");
    let section = section.split("\n.Sh ").next().unwrap_or_default();
    let documented: BTreeSet<_> = section.split("\n.It\n").skip(1).map(plain).collect();
    let shown: BTreeSet<_> = table().flat_map(|(_, row)| row.documented()).collect();
    assert_eq!(documented, shown);
}

/// An item's text without what mdoc(7) adds to it.
fn plain(item: &str) -> String {
    let item = item.split("\n.El").next().unwrap_or_default();
    let words = item
        .split_whitespace()
        .filter(|word| !matches!(*word, ".Ql" | ".Pa" | ".Xr"));
    words.collect::<Vec<_>>().join(" ").replace("\\(dq", "\"")
}
