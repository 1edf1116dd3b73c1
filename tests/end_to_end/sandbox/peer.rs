//! Which pam_namespace there is: what the same test sees of it depends on the version of its package.
#![allow(
    dead_code,
    reason = "each of the tests that share it asks for what it needs"
)]

use std::fmt;
use std::process::Command;

/// Asks for the version of the package that has pam_namespace.
pub const QUERY: [&str; 5] = ["dpkg-query", "-W", "-f", "${Version}\n", "libpam-modules"];

/// Versions of Debian's package, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The first of them.
    pub from: &'static str,
    /// The first that is none of them any more.
    pub before: &'static str,
    /// What the manual page calls them.
    pub name: &'static str,
}

/// Debian 12's as it was released, and until paths were made safe (CVE-2025-6020, CVE-2024-22365). The changelog of
/// the last of them says so, but its build left it out.
pub const BEFORE_1_5_2_MENDED: Versions = Versions {
    from: "1.5.2-6",
    before: "1.5.2-6+deb12u3",
    name: "1.5.2-6 to 1.5.2-6+deb12u2",
};

/// Debian 12's afterwards.
pub const SINCE_1_5_2_MENDED: Versions = Versions {
    from: "1.5.2-6+deb12u3",
    before: "1.5.2-7",
    name: "1.5.2-6+deb12u3",
};

/// Debian 13's, with the same paths made safe.
pub const SINCE_1_7_0_MENDED: Versions = Versions {
    from: "1.7.0-5",
    before: "1.7.0-6",
    name: "1.7.0-5",
};

/// Those of Linux-PAM itself that have made them safe.
pub const SINCE_1_7_1: Versions = Versions {
    from: "1.7.1",
    before: "1.8~",
    name: "1.7.1",
};

/// All that have made them safe.
pub const MENDED: &[Versions] = &[SINCE_1_5_2_MENDED, SINCE_1_7_0_MENDED, SINCE_1_7_1];

/// The version of a package that is installed; nothing where there is no dpkg.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version(Option<String>);

impl Version {
    /// That of the machine that the tests run on.
    pub fn installed() -> Self {
        let [program, arguments @ ..] = QUERY;
        let output = Command::new(program).args(arguments).output();
        let output = output.ok().filter(|output| output.status.success());
        Self::of(&output.map_or_else(Vec::new, |output| output.stdout))
    }

    /// The one that [`QUERY`] has printed.
    pub fn of(printed: &[u8]) -> Self {
        let text = String::from_utf8_lossy(printed);
        // One line for each architecture, and all of one version (Multi-Arch: same).
        let first = text.lines().next().map(str::trim);
        Self(first.filter(|line| !line.is_empty()).map(str::to_owned))
    }

    /// Whether it is one of those; not where it is unknown, or nothing here compares versions as dpkg(1) does.
    pub fn is_among(&self, versions: &Versions) -> bool {
        self.compares("ge", versions.from) && self.compares("lt", versions.before)
    }

    fn compares(&self, relation: &str, other: &str) -> bool {
        let Self(Some(version)) = self else {
            return false;
        };
        let mut command = Command::new("dpkg");
        command.args(["--compare-versions", version, relation, other]);
        command.status().is_ok_and(|status| status.success())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str(self.0.as_deref().unwrap_or("of an unknown version"))
    }
}

#[test]
fn versions_are_compared_as_dpkg_does() {
    let is = |text: &str, versions| Version::of(text.as_bytes()).is_among(versions);
    if !is("1.5.2-6\n", &BEFORE_1_5_2_MENDED) {
        assert!(Command::new("dpkg").output().is_err());
        return;
    }
    assert!(is(
        "1.5.2-6+deb12u2\n1.5.2-6+deb12u2\n",
        &BEFORE_1_5_2_MENDED
    ));
    assert!(!is("1.5.2-6+deb12u3", &BEFORE_1_5_2_MENDED));
    for mended in ["1.5.2-6+deb12u3", "1.5.2-6+deb12u10"] {
        assert!(is(mended, &SINCE_1_5_2_MENDED), "{mended}");
    }
    assert!(is("1.7.0-5+deb13u1", &SINCE_1_7_0_MENDED));
    assert!(is("1.7.2-1", &SINCE_1_7_1));
    for unknown in ["", "1.5.2-5", "1.5.3-5ubuntu5.4", "1.7.0-2"] {
        for versions in [&BEFORE_1_5_2_MENDED].into_iter().chain(MENDED) {
            assert!(!is(unknown, versions), "{unknown}");
        }
    }
}
