//! Slurm's expressions for hosts: `gpu[1-4,07],login`.

/// Whether an expression names a host.
pub fn contains(expression: &str, host: &str) -> bool {
    let mut is_inside = false;
    let mut parts = expression.split(|c: char| {
        is_inside = match c {
            '[' => true,
            ']' => false,
            _ => is_inside,
        };
        c == ',' && !is_inside
    });
    parts.any(|part| names(part.trim(), host))
}

/// Whether a name, in which numbers may stand in brackets, is a host's.
fn names(part: &str, host: &str) -> bool {
    let Some((prefix, rest)) = part.split_once('[') else {
        return part == host;
    };
    let (Some((numbers, suffix)), Some(tail)) = (rest.split_once(']'), host.strip_prefix(prefix))
    else {
        return false;
    };
    let digits = tail.chars().take_while(char::is_ascii_digit).count();
    (1..=digits).any(|length| {
        let (number, rest) = tail.split_at_checked(length).unwrap_or_default();
        numbers.split(',').any(|range| has(range, number)) && names(suffix, rest)
    })
}

/// Whether a number is in a range such as `1-4` or `01-10`: leading zeros are as wide as those of the first one.
fn has(range: &str, number: &str) -> bool {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let value = |text: &str| text.parse::<u64>().ok();
    let (Some(from), Some(to), Some(this)) = (value(first), value(last), value(number)) else {
        return false;
    };
    let is_wide = match first.starts_with('0') || number.starts_with('0') {
        true => number.len() == first.len(),
        false => true,
    };
    is_wide && (from..=to).contains(&this)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_name_hosts() {
        for (expression, host, expected) in [
            ("n1", "n1", true),
            ("n1", "n10", false),
            ("n[1-3]", "n2", true),
            ("n[1-3]", "n4", false),
            ("n[1-3,07]", "n07", true),
            ("n[1-3]", "n02", false),
            ("n[01-12]", "n11", true),
            ("n[01-12]", "n1", false),
            ("a,n[2,4],b", "n4", true),
            ("a,n[2,4],b", "b", true),
            ("r[1-2]n[1-2]", "r2n1", true),
            ("r[1-2]n[1-2]-x", "r2n1", false),
            ("n[1-", "n1", false),
            ("n[x]", "n1", false),
            ("", "n1", false),
        ] {
            assert_eq!(contains(expression, host), expected, "{expression} {host}");
        }
    }
}
