//! The attributes of mounts: one table of their words and of the bits that the kernel has for them.

use libc::{
    MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_RELATIME, MOUNT_ATTR_STRICTATIME,
};

/// `ro`
pub const READ_ONLY: u64 = MOUNT_ATTR_RDONLY;
/// `nosuid`
pub const NO_SUID: u64 = MOUNT_ATTR_NOSUID;
/// `nodev`
pub(crate) const NO_DEV: u64 = MOUNT_ATTR_NODEV;
/// `noexec`
pub(crate) const NO_EXEC: u64 = MOUNT_ATTR_NOEXEC;
/// The field that holds `relatime` (0), `noatime` or `strictatime`.
pub(crate) const ACCESS_TIME: u64 = MOUNT_ATTR__ATIME;

/// The attributes that every kernel with mount_setattr(2) knows (Linux 5.12). It refuses to hear of others, even where
/// they are to be cleared.
pub(crate) const KNOWN: u64 =
    READ_ONLY | NO_SUID | NO_DEV | NO_EXEC | ACCESS_TIME | MOUNT_ATTR_NODIRATIME;

/// `ST_NOSYMFOLLOW` of statfs(2), which no crate names.
const ST_NOSYMFOLLOW: u64 = 0x2000;

/// An attribute: a field of `MOUNT_ATTR_*` bits (mount_setattr(2)), and what its values are called.
#[derive(Debug)]
pub struct Attribute {
    /// The bits that belong to it.
    pub field: u64,
    /// The words of a policy, which mount(8) knows too, and the value of the field that each stands for.
    words: &'static [(&'static str, u64)],
    /// Words that mount(8) alone knows.
    further_words: &'static [(&'static str, u64)],
    /// The value of the field where all of these `ST_*` bits of statfs(2) are set. The first one counts.
    shown: &'static [(u64, u64)],
}

/// The value of an attribute that a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The bits of the attribute.
    pub field: u64,
    /// The bits of the attribute that are set.
    pub bits: u64,
}

/// An attribute of one bit: the word that sets it and the one that clears it, which mount(8) alone knows where it is
/// behind a `;`; the bit, and the one of statfs(2).
macro_rules! switch {
    ($set:literal, $clear:literal: $bit:expr, $shown:expr) => {
        switch!([($set, $bit), ($clear, 0)], []; $bit, $shown)
    };
    ($set:literal; $clear:literal: $bit:expr, $shown:expr) => {
        switch!([($set, $bit)], [($clear, 0)]; $bit, $shown)
    };
    ($words:expr, $further_words:expr; $bit:expr, $shown:expr) => {
        Attribute {
            field: $bit,
            words: &$words,
            further_words: &$further_words,
            shown: &[($shown, $bit), (0, 0)],
        }
    };
}

/// Every attribute, in the order in which a mount's are shown.
pub const ALL: &[Attribute] = &[
    switch!("ro", "rw": READ_ONLY, libc::ST_RDONLY),
    switch!("nosuid", "suid": NO_SUID, libc::ST_NOSUID),
    switch!("nodev", "dev": NO_DEV, libc::ST_NODEV),
    switch!("noexec", "exec": NO_EXEC, libc::ST_NOEXEC),
    switch!("nosymfollow", "symfollow": MOUNT_ATTR_NOSYMFOLLOW, ST_NOSYMFOLLOW),
    Attribute {
        field: ACCESS_TIME,
        words: &[
            ("noatime", MOUNT_ATTR_NOATIME),
            ("relatime", MOUNT_ATTR_RELATIME),
            ("strictatime", MOUNT_ATTR_STRICTATIME),
        ],
        further_words: &[
            ("atime", MOUNT_ATTR_RELATIME),
            ("norelatime", MOUNT_ATTR_RELATIME),
            ("nostrictatime", MOUNT_ATTR_RELATIME),
        ],
        shown: &[
            (libc::ST_NOATIME, MOUNT_ATTR_NOATIME),
            (libc::ST_RELATIME, MOUNT_ATTR_RELATIME),
            (0, MOUNT_ATTR_STRICTATIME),
        ],
    },
    // No word of a policy clears it: `strictatime` and the others say nothing of it.
    switch!("nodiratime"; "diratime": MOUNT_ATTR_NODIRATIME, libc::ST_NODIRATIME),
];

impl Attribute {
    fn choice(&self, bits: u64) -> Choice {
        Choice {
            field: self.field,
            bits,
        }
    }

    /// The value of the field on a mount of which statfs(2) shows `flags`.
    fn value(&self, flags: u64) -> u64 {
        let is_shown = |(shown, _): &&(u64, u64)| flags & shown == *shown;
        self.shown
            .iter()
            .find(is_shown)
            .map_or(0, |(_, bits)| *bits)
    }
}

/// The words of a policy, in the order of [`ALL`].
pub fn words() -> impl Iterator<Item = (&'static str, Choice)> + Clone {
    ALL.iter().flat_map(|attribute| {
        let words = attribute.words.iter();
        words.map(|(word, bits)| (*word, attribute.choice(*bits)))
    })
}

/// Finds the attribute that mount(8) understands by `word`; nothing where that is none.
#[must_use]
pub(crate) fn of_mount_word(word: &str) -> Option<Choice> {
    ALL.iter().find_map(|attribute| {
        let mut words = attribute.words.iter().chain(attribute.further_words);
        let found = words.find(|(known, _)| *known == word);
        found.map(|(_, bits)| attribute.choice(*bits))
    })
}

/// The bits of a mount of which statfs(2) shows `flags`.
pub(crate) fn of_flags(flags: u64) -> u64 {
    let values = ALL.iter().map(|attribute| attribute.value(flags));
    values.fold(0, |bits, value| bits | value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bit_belongs_to_two_attributes_and_no_word_means_two_things() {
        let (mut fields, mut words) = (0, Vec::new());
        for attribute in ALL {
            assert_eq!(fields & attribute.field, 0, "{attribute:?}");
            fields |= attribute.field;
            for (word, bits) in attribute.words.iter().chain(attribute.further_words) {
                assert_eq!(bits & !attribute.field, 0, "{word}");
                assert!(!words.contains(word), "{word}");
                words.push(word);
            }
        }
    }

    #[test]
    fn what_statfs_shows_is_what_the_mount_has() {
        for (flags, expected) in [
            (0, MOUNT_ATTR_STRICTATIME),
            (libc::ST_RELATIME, 0),
            (
                libc::ST_NOATIME | libc::ST_RDONLY,
                MOUNT_ATTR_NOATIME | READ_ONLY,
            ),
            (
                libc::ST_RELATIME | libc::ST_NODIRATIME | ST_NOSYMFOLLOW,
                MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW,
            ),
        ] {
            assert_eq!(of_flags(flags), expected, "{flags:#x}");
        }
    }
}
