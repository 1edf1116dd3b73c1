//! The attributes of a mount: what the rule names, and for the rest what the covered mount has.

use crate::kernel::mount::{AttributeChange, attribute};
use crate::policy::value::{AccessTime, Attributes};

/// Attributes of a mount of our own: each is the named one, or the covered mount's.
pub(super) fn like_covered(named: &Attributes, covered: u64) -> AttributeChange {
    let time = named
        .access_time
        .map_or(covered & attribute::ACCESS_TIME, access_time);
    let change = AttributeChange::default().access_time(time);
    switches(named).fold(change, |change, (bit, named)| match named {
        Some(true) => change.set(bit),
        // Linux before 5.14 refuses to hear of nosymfollow even where it is to be cleared.
        None if bit == attribute::NO_SYMFOLLOW && covered & bit == 0 => change,
        None if covered & bit != 0 => change.set(bit),
        Some(false) | None => change.clear(bit),
    })
}

/// Attributes of a copy of another mount: the named ones, and every restriction of the covered mount; the
/// copy's own restrictions stay, so that a bind of a read-only mount is never writable by accident.
pub(super) fn like_covered_and_source(named: &Attributes, covered: u64) -> AttributeChange {
    let change = match named.access_time {
        Some(time) => AttributeChange::default().access_time(access_time(time)),
        None => AttributeChange::default(),
    };
    switches(named).fold(change, |change, (bit, named)| match named {
        Some(true) => change.set(bit),
        Some(false) => change.clear(bit),
        None if covered & bit != 0 => change.set(bit),
        None => change,
    })
}

fn switches(named: &Attributes) -> impl Iterator<Item = (u64, Option<bool>)> {
    [
        (attribute::READ_ONLY, named.read_only),
        (attribute::NO_SUID, named.no_suid),
        (attribute::NO_DEV, named.no_dev),
        (attribute::NO_EXEC, named.no_exec),
        (attribute::NO_SYMFOLLOW, named.no_symfollow),
        (attribute::NO_DIR_ACCESS_TIME, named.no_dir_atime),
    ]
    .into_iter()
}

fn access_time(time: AccessTime) -> u64 {
    match time {
        AccessTime::Never => attribute::NO_ACCESS_TIME,
        AccessTime::Relative => 0,
        AccessTime::Always => attribute::STRICT_ACCESS_TIME,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARDENED: u64 = attribute::NO_EXEC | attribute::NO_SUID | attribute::NO_ACCESS_TIME;

    #[test]
    fn an_instance_has_the_named_attributes_and_else_those_of_the_covered_mount() {
        let nothing = Attributes::default();
        let exec = Attributes {
            no_exec: Some(false),
            no_dev: Some(true),
            ..nothing
        };
        let relative = Attributes {
            access_time: Some(AccessTime::Relative),
            ..nothing
        };
        let table = [
            ("nothing named, plain mount", nothing, 0, 0),
            ("nothing named, hardened mount", nothing, HARDENED, HARDENED),
            (
                "exec and nodev named",
                exec,
                HARDENED,
                attribute::NO_SUID | attribute::NO_DEV | attribute::NO_ACCESS_TIME,
            ),
            (
                "relatime named",
                relative,
                HARDENED,
                attribute::NO_EXEC | attribute::NO_SUID,
            ),
        ];
        for (case, named, covered, expected) in table {
            assert_eq!(like_covered(&named, covered).bits(), expected, "{case}");
        }
    }

    #[test]
    fn a_bind_adds_the_covered_mounts_restrictions_and_takes_none_of_the_sources() {
        let change = like_covered_and_source(&Attributes::default(), attribute::NO_EXEC);
        assert_eq!(change, AttributeChange::default().set(attribute::NO_EXEC));
        let rw = Attributes {
            read_only: Some(false),
            ..Attributes::default()
        };
        let change = like_covered_and_source(&rw, attribute::READ_ONLY);
        assert_eq!(
            change,
            AttributeChange::default().clear(attribute::READ_ONLY)
        );
    }
}
