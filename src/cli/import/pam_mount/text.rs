//! pam_mount's texts as templates of a policy.

use crate::cli::import::policy::escaped;
use crate::plan::tidy;

/// The variables of pam_mount that a word of a policy stands for.
const VARIABLES: &[(&str, &str)] = &[
    ("USER", "{user}"),
    ("USERUID", "{uid}"),
    ("USERGID", "{gid}"),
    ("GROUP", "{group}"),
];

/// Makes a template of a text with `%(VARIABLES)`.
///
/// # Errors
///
/// Why there is none.
pub fn template(text: &str) -> Result<String, String> {
    let mut parts = text.split("%(");
    let mut template = escaped(parts.next().unwrap_or_default());
    for part in parts {
        let (name, rest) = part.split_once(')').ok_or("`%(` has no end")?;
        let found = VARIABLES.iter().find(|(known, _)| *known == name);
        let (_, word) =
            found.ok_or_else(|| format!("no word of a policy stands for `%({name})`"))?;
        template.push_str(word);
        template.push_str(&escaped(rest));
    }
    Ok(template)
}

/// Makes a template of a path, in which `~` is the home.
///
/// # Errors
///
/// Why there is none.
pub fn path(text: &str) -> Result<String, String> {
    match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            Ok(tidy(&format!("{{home}}{}", template(rest)?)))
        }
        Some(_) => Err(format!(
            "`{text}`: `~` stands for the home, and `~NAME` for nothing"
        )),
        None => Ok(tidy(&template(text)?)),
    }
}

/// Whether pam_mount takes a value as true.
pub fn is_true(text: &str) -> bool {
    text == "1"
        || ["yes", "on", "true"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether pam_mount takes a number as other than 0: what is none is 0 (strtol(3)).
pub fn is_set(text: &str) -> bool {
    let digits = text.trim_start().trim_start_matches(['-', '+', '0']);
    digits.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_the_home_become_words() {
        for (text, expected) in [
            ("~", Ok("{home}")),
            ("~/a//b/", Ok("{home}/a/b")),
            ("/x/%(USER)/{a}", Ok("/x/{user}/{{a}}")),
            ("%(USERUID):%(USERGID)%(GROUP)", Ok("{uid}:{gid}{group}")),
            ("/a%b", Ok("/a%b")),
            ("~bob", Err(())),
            ("/%(DOMAIN_USER)", Err(())),
            ("/%(USER", Err(())),
        ] {
            let found = path(text);
            assert_eq!(found.as_deref().map_err(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_strtols() {
        for (text, expected) in [
            ("1", true),
            ("0", false),
            ("yes", false),
            ("01", true),
            ("", false),
        ] {
            assert_eq!(is_set(text), expected, "{text}");
        }
    }
}
