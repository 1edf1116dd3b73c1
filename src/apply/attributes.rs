//! The attributes of a mount: what the rule names, and for the rest what the covered mount has.

use crate::kernel::mount::AttributeChange;
use crate::kernel::mount::attribute;
use crate::policy::value::Attributes;

/// Attributes of a mount of our own: each is the named one, or the covered mount's.
pub(super) fn like_covered(named: &Attributes, covered: u64) -> AttributeChange {
    let fields = attribute::ALL.iter().map(|attribute| attribute.field);
    fields.fold(AttributeChange::default(), |change, field| {
        match named.value(field) {
            Some(bits) => change.give(field, bits),
            // A kernel that may not know the attribute is not asked to clear it.
            None if field & attribute::KNOWN == 0 && covered & field == 0 => change,
            None => change.give(field, covered & field),
        }
    })
}

/// Attributes of a copy of another mount: the named ones, and every restriction of the covered mount; the
/// copy's own restrictions stay, so that a bind of a read-only mount is never writable by accident.
pub(super) fn like_covered_and_source(named: &Attributes, covered: u64) -> AttributeChange {
    let restrictions = covered & !attribute::ACCESS_TIME;
    let fields = attribute::ALL.iter().map(|attribute| attribute.field);
    fields.fold(AttributeChange::default(), |change, field| {
        match named.value(field) {
            Some(bits) => change.give(field, bits),
            None => change.set(restrictions & field),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARDENED: u64 = attribute::NO_EXEC | attribute::NO_SUID | libc::MOUNT_ATTR_NOATIME;

    #[test]
    fn an_instance_has_the_named_attributes_and_else_those_of_the_covered_mount() {
        let nothing = Attributes::default();
        let exec = Attributes::of_words(["exec", "nodev"]).unwrap();
        let relative = Attributes::of_words(["relatime"]).unwrap();
        let table = [
            ("nothing named, plain mount", nothing, 0, 0),
            ("nothing named, hardened mount", nothing, HARDENED, HARDENED),
            (
                "exec and nodev named",
                exec,
                HARDENED,
                attribute::NO_SUID | attribute::NO_DEV | libc::MOUNT_ATTR_NOATIME,
            ),
            (
                "relatime named",
                relative,
                HARDENED,
                attribute::NO_EXEC | attribute::NO_SUID,
            ),
        ];
        for (name, named, covered, expected) in table {
            assert_eq!(like_covered(&named, covered).bits(), expected, "{name}");
        }
    }

    /// Linux 5.12 and 5.13 refuse to hear of `nosymfollow`.
    #[test]
    fn what_a_kernel_may_not_know_is_cleared_only_where_that_is_asked() {
        let unsaid = like_covered(&Attributes::default(), 0);
        let said = like_covered(&Attributes::of_words(["symfollow"]).unwrap(), 0);
        assert_eq!(said, unsaid.clear(libc::MOUNT_ATTR_NOSYMFOLLOW));
        assert_ne!(said, unsaid);
    }

    #[test]
    fn a_bind_adds_the_covered_mounts_restrictions_and_takes_none_of_the_sources() {
        let change = like_covered_and_source(&Attributes::default(), attribute::NO_EXEC);
        assert_eq!(change, AttributeChange::default().set(attribute::NO_EXEC));
        let rw = Attributes::forbidding(attribute::READ_ONLY);
        let change = like_covered_and_source(&rw, attribute::READ_ONLY);
        assert_eq!(
            change,
            AttributeChange::default().clear(attribute::READ_ONLY)
        );
    }
}
