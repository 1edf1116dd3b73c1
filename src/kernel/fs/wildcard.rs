//! Shell-style patterns as they are matched, whoever has written them.

/// One element of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Token {
    /// This very character.
    Literal(char),
    /// Any one character.
    One,
    /// Any number of characters, none included.
    Many,
    /// One character of a set.
    Class {
        /// Whether it must be in none of the ranges.
        negated: bool,
        /// The first and the last character of each range.
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    fn matches(&self, character: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == character,
            Self::One => true,
            Self::Many => false,
            Self::Class { negated, ranges } => {
                let within = ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&character));
                within != *negated
            }
        }
    }
}

/// Whether all of `text` matches. It takes the product of both lengths in the worst case.
#[must_use]
pub fn matches(tokens: &[Token], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut token, mut at) = (0_usize, 0_usize);
    // Where to go on when a later token fails: behind the last `*`, which then takes one more.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(character) = text.get(at) {
        match tokens.get(token) {
            Some(Token::Many) => {
                token = token.saturating_add(1);
                retry = Some((token, at));
            }
            Some(one) if one.matches(*character) => {
                token = token.saturating_add(1);
                at = at.saturating_add(1);
            }
            _ => {
                let Some((behind, taken)) = retry else {
                    return false;
                };
                let taken = taken.saturating_add(1);
                (token, at, retry) = (behind, taken, Some((behind, taken)));
            }
        }
    }
    let rest = tokens.get(token..).unwrap_or_default();
    rest.iter().all(|token| *token == Token::Many)
}
