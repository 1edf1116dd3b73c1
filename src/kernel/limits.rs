//! Limits that a process of root's has from whoever started su(1): with them, users would decide where a program of
//! root's breaks off.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Those that end a program, or make its calls fail, in the middle of what it does.
const LIFTED: [Resource; 6] = [
    Resource::As,
    Resource::Cpu,
    Resource::Data,
    Resource::Fsize,
    Resource::Nproc,
    Resource::Rss,
];

/// What a process gets at least, as from Linux itself: the size of its stack in bytes, and how many descriptors.
const RAISED: [(Resource, u64); 2] = [(Resource::Stack, 8 << 20), (Resource::Nofile, 1024)];

/// Lifts those of the calling process as far as it may: all the way with CAP_SYS_RESOURCE. It makes system calls and
/// nothing else.
pub(super) fn lift() {
    for resource in LIFTED {
        raise(resource, None);
    }
    for (resource, least) in RAISED {
        raise(resource, Some(least));
    }
}

/// Raises a limit to at least that; nothing stands for none.
fn raise(resource: Resource, least: Option<u64>) {
    let Rlimit { current, maximum } = getrlimit(resource);
    let raised = |limit: Option<u64>| Some(limit?.max(least?));
    let wanted = Rlimit {
        current: raised(current),
        maximum: raised(maximum),
    };
    let allowed = Rlimit {
        current: match (raised(current), maximum) {
            (Some(wanted), Some(maximum)) => Some(wanted.min(maximum)),
            (wanted, maximum) => wanted.or(maximum),
        },
        maximum,
    };
    let _ = setrlimit(resource, wanted).or_else(|_| setrlimit(resource, allowed));
}
