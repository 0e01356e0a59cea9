//! `glob.match` as OPA's glob library matches, for patterns that leave no doubt.
//!
//! Text, `*`, `**`, `?`, `[abc]`, `[!abc]`, `[a-z]`, `\` before a character, and `{a,b*}`, not nested.

use regorus::Value;

use super::number::Inexact;

/// Most alternatives that `{…}` may give together.
const MAX_ALTERNATIVES: usize = 64;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(char),
    /// `?`: one character that is no separator.
    One,
    /// `*`: any number of them.
    Some,
    /// `**`: anything.
    Any,
    Class {
        negated: bool,
        from: Vec<(char, char)>,
    },
}

/// `glob.match(pattern, delimiters, text)`
pub(super) fn matches(args: &[Value]) -> Result<Value, Inexact> {
    let [Value::String(pattern), delimiters, Value::String(text)] = args else { return Ok(Value::Undefined) };
    let separators = match delimiters {
        Value::Null => Vec::new(),
        Value::Array(items) if items.is_empty() => vec!['.'],
        Value::Array(items) => match items.iter().map(single).collect::<Option<Vec<_>>>() {
            Some(separators) => separators,
            None => return Ok(Value::Undefined),
        },
        _ => return Ok(Value::Undefined),
    };
    let text: Vec<char> = text.chars().collect();
    let found = parse(pattern)?.iter().any(|tokens| run(tokens, &separators, &text));
    Ok(Value::Bool(found))
}

/// Why a pattern is not supported, if it is not.
pub(super) fn refusal(pattern: &str) -> Option<&'static str> {
    let why = "write a pattern of text, `*`, `**`, `?`, `[abc]`, `[a-z]` and `{a,b}`";
    parse(pattern).is_err().then_some(why)
}

fn single(item: &Value) -> Option<char> {
    let Value::String(item) = item else { return None };
    let mut chars = item.chars();
    chars.next().filter(|_| chars.next().is_none())
}

/// The alternatives of a pattern.
fn parse(pattern: &str) -> Result<Vec<Vec<Token>>, Inexact> {
    let mut done: Vec<Vec<Token>> = vec![Vec::new()];
    // Inside braces: the alternatives so far, the last one still growing.
    let mut braces: Option<Vec<Vec<Token>>> = None;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let token = match (c, &mut braces) {
            ('{', None) => {
                braces = Some(vec![Vec::new()]);
                continue;
            }
            (',', Some(alternatives)) => {
                alternatives.push(Vec::new());
                continue;
            }
            ('}', Some(alternatives)) => {
                // OPA's library treats an empty alternative in a way of its own.
                if alternatives.iter().any(Vec::is_empty) {
                    return Err(Inexact);
                }
                done = product(&done, alternatives)?;
                braces = None;
                continue;
            }
            ('{' | '}' | ']', _) => return Err(Inexact),
            ('*', _) if chars.next_if_eq(&'*').is_some() => {
                if chars.peek() == Some(&'*') {
                    return Err(Inexact);
                }
                Token::Any
            }
            ('*', _) => Token::Some,
            ('?', _) => Token::One,
            ('[', _) => class(&mut chars)?,
            ('\\', _) => Token::Text(chars.next().ok_or(Inexact)?),
            (c, _) => Token::Text(c),
        };
        match &mut braces {
            Some(alternatives) => alternatives.last_mut().ok_or(Inexact)?.push(token),
            None => done.iter_mut().for_each(|tokens| tokens.push(token.clone())),
        }
    }
    if braces.is_none() { Ok(done) } else { Err(Inexact) }
}

fn product(before: &[Vec<Token>], after: &[Vec<Token>]) -> Result<Vec<Vec<Token>>, Inexact> {
    if before.len().saturating_mul(after.len()) > MAX_ALTERNATIVES {
        return Err(Inexact);
    }
    let joined = before.iter().flat_map(|head| after.iter().map(|tail| [&head[..], &tail[..]].concat()));
    Ok(joined.collect())
}

/// What follows `[`: one range, or characters one by one.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, Inexact> {
    let negated = chars.next_if_eq(&'!').is_some();
    let mut inside = Vec::new();
    loop {
        match chars.next().ok_or(Inexact)? {
            ']' => break,
            c => inside.push(c),
        }
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let from = match inside.as_slice() {
        [low, '-', high] if plain(*low) && plain(*high) && low <= high => vec![(*low, *high)],
        list if !list.is_empty() && list.iter().all(|c| plain(*c)) => list.iter().map(|c| (*c, *c)).collect(),
        _ => return Err(Inexact),
    };
    Ok(Token::Class { negated, from })
}

/// Whether `tokens` match all of `text`: the positions reachable after each token.
fn run(tokens: &[Token], separators: &[char], text: &[char]) -> bool {
    let mut reached = vec![false; text.len().saturating_add(1)];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for token in tokens {
        let mut next = Vec::with_capacity(reached.len());
        let mut before = false;
        for (here, previous) in reached.iter().zip(std::iter::once(None).chain(text.iter().map(Some))) {
            let now = match (token, previous) {
                // What is open stays so over every character that it takes.
                (Token::Any, _) => *here || next.last() == Some(&true),
                (Token::Some, Some(c)) => *here || (next.last() == Some(&true) && !separators.contains(c)),
                (Token::Some, None) => *here,
                (Token::One, Some(c)) => before && !separators.contains(c),
                (Token::Text(t), Some(c)) => before && t == c,
                (Token::Class { negated, from }, Some(c)) => {
                    before && *negated != from.iter().any(|(low, high)| low <= c && c <= high)
                }
                (_, None) => false,
            };
            next.push(now);
            before = *here;
        }
        reached = next;
    }
    reached.last() == Some(&true)
}
