//! The options that tmpfs(5) takes, whichever file says it.

/// The size limit of a file system in memory when nothing says how much (tmpfs(5)).
pub const HALF: &str = "50%";

/// A number with a unit, as the kernel reads it, other than in octal and hexadecimal.
pub fn number(text: &str) -> Option<u64> {
    let unit = text.chars().last()?.to_ascii_lowercase();
    let power = "kmgtpe"
        .find(unit)
        .and_then(|at| u32::try_from(at).ok())
        .map(|at| at.saturating_add(1).saturating_mul(10));
    let digits = match power {
        Some(_) => text.get(..text.len().saturating_sub(1))?,
        None => text,
    };
    let is_decimal =
        digits == "0" || !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_decimal)?;
    number.checked_mul(1_u64.checked_shl(power.unwrap_or(0))?)
}
