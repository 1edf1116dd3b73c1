//! `--user-namespace`, `--uid-map` and `--gid-map`: which ids the command's user namespace has.

use super::text::{UsageError, usage_error};
use crate::cli::arguments::Isolation;
use crate::error::{Error, Result};
use crate::kernel::namespace::user_namespace::{IdRange, Maps};
use crate::kernel::process::credentials::Credentials;

/// The maps that the options ask for; nothing where the command needs no user namespace.
///
/// # Errors
///
/// A map is not of its form.
pub fn maps(isolation: &Isolation) -> Result<Option<Maps>, UsageError> {
    let Isolation {
        user_namespace,
        uid_map,
        gid_map,
        ..
    } = isolation;
    if !user_namespace && uid_map.is_none() && gid_map.is_none() {
        return Ok(None);
    }
    Ok(Some(Maps {
        users: map("--uid-map", uid_map.as_deref())?,
        groups: map("--gid-map", gid_map.as_deref())?,
    }))
}

fn map(option: &str, text: Option<&str>) -> Result<Vec<IdRange>, UsageError> {
    const FORM: &str =
        "it is written INSIDE:OUTSIDE[:COUNT], such as 0:100000:65536, with commas between several";
    let Some(text) = text else {
        return Ok(vec![IdRange::ALL]);
    };
    let ranges: Option<Vec<IdRange>> = text.split(',').map(range).collect();
    ranges.ok_or_else(|| usage_error(option, text, FORM))
}

/// With spaces too, as jchroot(8) and /proc/PID/uid_map have it.
fn range(text: &str) -> Option<IdRange> {
    let words = text.split([':', ' ']).filter(|word| !word.is_empty());
    let numbers: Option<Vec<u32>> = words.map(number).collect();
    let (inside, outside, count) = match *numbers?.as_slice() {
        [inside, outside] => (inside, outside, 1),
        [inside, outside, count] => (inside, outside, count),
        _ => return None,
    };
    inside.checked_add(count)?;
    outside.checked_add(count)?;
    (count > 0).then_some(IdRange {
        inside,
        outside,
        count,
    })
}

fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// The ids of a command whose user an option names: those, with the groups that are mapped.
pub fn of_named(maps: &Maps, credentials: &Credentials) -> Credentials {
    let is_mapped = |gid: &u32| has_id(&maps.groups, *gid);
    let groups = credentials.groups.iter().copied();
    Credentials {
        uid: credentials.uid,
        gid: credentials.gid,
        groups: groups.filter(is_mapped).collect(),
    }
}

/// The ids of a command whose user no option names: the caller's where they are mapped, or else the first that are.
pub fn of_caller(maps: &Maps, credentials: &Credentials) -> Credentials {
    let id_of = |ranges: &[IdRange], id: u32| {
        let first = ranges.first().map_or(id, |range| range.inside);
        if has_id(ranges, id) { id } else { first }
    };
    Credentials {
        uid: id_of(&maps.users, credentials.uid),
        gid: id_of(&maps.groups, credentials.gid),
        ..of_named(maps, credentials)
    }
}

fn has_id(ranges: &[IdRange], id: u32) -> bool {
    ranges.iter().any(|range| range.contains(id))
}

/// The one user and the one group that a caller without rights is inside.
///
/// # Errors
///
/// Other ids than the caller's are to be mapped, or several.
pub fn own(maps: Option<&Maps>, credentials: &Credentials) -> Result<(u32, u32)> {
    let one = |ranges: &[IdRange], own: u32| match ranges {
        [IdRange::ALL] => Ok(own),
        [range] if range.count == 1 && range.outside == own => Ok(range.inside),
        _ => {
            let reason = format!("only root can map other ids than {own}, its caller's");
            Err(Error::new("map", "the ids of a user namespace", reason))
        }
    };
    let Some(maps) = maps else {
        return Ok((credentials.uid, credentials.gid));
    };
    Ok((
        one(&maps.users, credentials.uid)?,
        one(&maps.groups, credentials.gid)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_lists_of_ranges() {
        let whole = IdRange {
            inside: 0,
            outside: 100_000,
            count: 65_536,
        };
        let one = IdRange::one(65_536, 7);
        for (text, expected) in [
            ("0:100000:65536", Some(vec![whole])),
            ("0 100000 65536", Some(vec![whole])),
            ("0:100000:65536,65536:7", Some(vec![whole, one])),
            ("", None),
            ("0", None),
            ("0:1:0", None),
            ("0:1:2:3", None),
            ("0:1,", None),
            ("0:-1", None),
            ("0:+1", None),
            ("0:4294967295:2", None),
            ("a:b", None),
        ] {
            assert_eq!(map("--uid-map", Some(text)).ok(), expected, "{text}");
        }
    }

    #[test]
    fn without_rights_there_is_one_user_inside() {
        let credentials = Credentials {
            uid: 1000,
            gid: 100,
            groups: vec![100, 27],
        };
        let maps = |users: IdRange, groups: IdRange| Maps {
            users: vec![users],
            groups: vec![groups],
        };
        let table = [
            (None, Some((1000, 100))),
            (Some(maps(IdRange::ALL, IdRange::ALL)), Some((1000, 100))),
            (
                Some(maps(IdRange::one(0, 1000), IdRange::ALL)),
                Some((0, 100)),
            ),
            (
                Some(maps(IdRange::one(0, 1000), IdRange::one(0, 100))),
                Some((0, 0)),
            ),
            (Some(maps(IdRange::one(0, 0), IdRange::ALL)), None),
        ];
        for (maps, expected) in table {
            assert_eq!(own(maps.as_ref(), &credentials).ok(), expected, "{maps:?}");
        }
    }

    #[test]
    fn root_is_the_first_inside_where_it_is_not_mapped() {
        let root = Credentials {
            uid: 0,
            gid: 0,
            groups: vec![0, 27],
        };
        let map = |inside| IdRange {
            inside,
            outside: 100_000,
            count: 10,
        };
        for (first, expected) in [(0, (0, 0, vec![0])), (5, (5, 5, vec![]))] {
            let maps = Maps {
                users: vec![map(first)],
                groups: vec![map(first)],
            };
            let found = of_caller(&maps, &root);
            assert_eq!((found.uid, found.gid, found.groups), expected);
        }
    }
}
