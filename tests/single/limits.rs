//! What the module writes in a process with limits that somebody else has set.

use pam_jns::kernel::fs::file::write_private;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use std::fs;

pub const TESTS: &[crate::Test] = &[
    (
        "files_may_be_longer_than_the_caller_allows",
        files_may_be_longer_than_the_caller_allows,
    ),
    (
        "a_file_that_is_too_long_ends_nothing",
        a_file_that_is_too_long_ends_nothing,
    ),
];

const NONE: Rlimit = Rlimit {
    current: Some(0),
    maximum: Some(0),
};

fn write() -> pam_jns::error::Result<()> {
    let parent = fs::File::open("/mnt").unwrap();
    write_private(&parent, "record", b"a record", "/mnt/record")
}

fn files_may_be_longer_than_the_caller_allows() {
    let few = capabilities(None).unwrap().effective;
    let is_free = few.contains(CapabilitySet::SYS_RESOURCE);
    for maximum in [None, Some(0)] {
        if maximum.is_some() && !is_free {
            println!("not tried here: a limit that only CAP_SYS_RESOURCE lifts");
            continue;
        }
        let limit = Rlimit { maximum, ..NONE };
        setrlimit(Resource::Fsize, limit).unwrap();
        write().unwrap();
        assert_eq!(getrlimit(Resource::Fsize), limit);
        assert_eq!(fs::read("/mnt/record").unwrap(), b"a record");
    }
}

/// Where nothing can be done about the limit, as in a container.
fn a_file_that_is_too_long_ends_nothing() {
    setrlimit(Resource::Fsize, NONE).unwrap();
    let mut few = capabilities(None).unwrap();
    few.effective.remove(CapabilitySet::SYS_RESOURCE);
    few.permitted.remove(CapabilitySet::SYS_RESOURCE);
    set_capabilities(None, few).unwrap();
    let error = write().unwrap_err().to_string();
    assert!(
        error.contains("cannot write /mnt/record: File too large"),
        "{error}"
    );
    assert_eq!(
        fs::read_dir("/mnt").unwrap().count(),
        1,
        "what else there is is a mount point"
    );
    assert_eq!(getrlimit(Resource::Fsize), NONE);
}
