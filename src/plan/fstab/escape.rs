//! Characters of an fstab(5) that are written otherwise: escaped, or between quotes.

/// Replaces three octal digits behind a backslash with the byte that they stand for.
pub(super) fn unescape(field: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let octal = behind.get(..3).filter(|_| byte == b'\\').and_then(octal);
        bytes.push(octal.unwrap_or(byte));
        rest = octal.map_or(behind, |_| behind.get(3..).unwrap_or_default());
    }
    if bytes.contains(&0) {
        return Err("a field cannot hold a NUL");
    }
    String::from_utf8(bytes).map_err(|_| "the bytes that are escaped are not UTF-8")
}

fn octal(digits: &[u8]) -> Option<u8> {
    let plain = digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
    let text = std::str::from_utf8(digits).ok().filter(|_| plain)?;
    u8::from_str_radix(text, 8).ok()
}

/// Takes the quotes around a value away, if it has them.
pub(super) fn unquoted(value: &str) -> &str {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_three_octal_digits() {
        for (field, text) in [
            ("/a\\040b", Ok("/a b")),
            ("/a\\011b\\012c\\134d", Ok("/a\tb\nc\\d")),
            ("/a\\134040", Ok("/a\\040")),
            ("/\\303\\244", Ok("/ä")),
            ("/a\\04", Ok("/a\\04")),
            ("/a\\089", Ok("/a\\089")),
            ("/a\\+12", Ok("/a\\+12")),
            ("/a\\777", Ok("/a\\777")),
            ("/a\\", Ok("/a\\")),
            ("/a\\000", Err("a field cannot hold a NUL")),
            ("/\\303", Err("the bytes that are escaped are not UTF-8")),
        ] {
            assert_eq!(
                unescape(field).as_deref(),
                text.as_ref().map(|text| *text),
                "{field}"
            );
        }
    }
}
