//! Regular expressions: Go's syntax, which OPA's policies are written in, for the library used here.
//!
//! The two differ in small things: `\d`, `\w`, `\s` and `\b` are ASCII in Go, `(?i)` folds the Kelvin
//! sign, `a**` is an error, `a{` is text. So a pattern is read here and written anew with what means
//! the same in both; what is not known to be the same is refused.

use super::number::Inexact;

/// Deepest nesting of groups.
const MAX_GROUPS: usize = 32;
/// Go's bound on counted repetition, nested counts multiplied.
const MAX_REPEAT: u64 = 1000;

/// A pattern as the library takes it, with what matching one byte may cost.
pub(super) struct Pattern {
    pub(super) text: String,
    /// States: characters and classes, counted as often as they are repeated.
    pub(super) states: u64,
    /// Whether it may match nothing at all.
    pub(super) empty: bool,
}

/// Why a pattern is not supported, if it is not.
pub(super) fn refusal(pattern: &str) -> Option<&'static str> {
    let why = "write a pattern of characters, classes such as `[a-z]` and `\\d`, groups, `|`, `^`, `$`, \
               `\\b` and repetition";
    translate(pattern).is_err().then_some(why)
}

/// Reads a pattern in Go's syntax.
pub(super) fn translate(pattern: &str) -> Result<Pattern, Inexact> {
    let (fold, rest) = pattern.strip_prefix("(?i)").map_or((false, pattern), |rest| (true, rest));
    let mut reader = Reader { rest: rest.chars().collect(), at: 0, out: String::new(), fold };
    // States and largest repetition of the groups that are open, and of what was read last in each.
    let mut groups: Vec<Group> = vec![Group::default()];
    while let Some(c) = reader.next() {
        let group = groups.last_mut().ok_or(Inexact)?;
        match c {
            '(' => {
                reader.group()?;
                groups.push(Group::default());
                if groups.len() > MAX_GROUPS {
                    return Err(Inexact);
                }
                continue;
            }
            ')' => {
                let inner = groups.pop().ok_or(Inexact)?.close();
                reader.out.push(')');
                groups.last_mut().ok_or(Inexact)?.atom(inner);
                continue;
            }
            '|' => {
                reader.out.push('|');
                group.alternative();
                continue;
            }
            '*' | '+' | '?' => {
                group.repeat(1, c != '+')?;
                reader.out.push(c);
                reader.lazy();
                continue;
            }
            '^' | '$' => {
                reader.out.push(c);
                group.settle();
                continue;
            }
            '{' => match reader.counts()? {
                Some(Counts { text, most, none }) => {
                    group.repeat(most, none)?;
                    reader.out.push_str(&text);
                    reader.lazy();
                    continue;
                }
                None => reader.literal('{')?,
            },
            '\\' => match reader.escape()? {
                Escape::Assertion(text) => {
                    reader.out.push_str(text);
                    group.settle();
                    continue;
                }
                Escape::Class(text) => {
                    reader.out.push('[');
                    reader.out.push_str(text);
                    reader.out.push(']');
                }
                Escape::Char(c) => reader.literal(c)?,
            },
            '[' => reader.class()?,
            '.' => reader.out.push('.'),
            c => reader.literal(c)?,
        }
        group.atom(Atom { states: 1, repeated: 1, empty: false });
    }
    match (groups.pop(), groups.is_empty()) {
        (Some(whole), true) => {
            let Atom { states, empty, .. } = whole.close();
            Ok(Pattern { text: reader.out, states, empty })
        }
        _ => Err(Inexact),
    }
}

/// What a repetition applies to, or a group when it is closed.
#[derive(Clone, Copy)]
struct Atom {
    states: u64,
    /// Counted repetition inside, multiplied.
    repeated: u64,
    empty: bool,
}

struct Group {
    states: u64,
    repeated: u64,
    /// The alternative that is being read has matched nothing so far.
    bare: bool,
    /// An alternative before may match nothing.
    empty: bool,
    /// What was read last, while it may still be repeated.
    last: Option<Atom>,
}

impl Default for Group {
    fn default() -> Self {
        Self { states: 0, repeated: 0, bare: true, empty: false, last: None }
    }
}

impl Group {
    fn atom(&mut self, atom: Atom) {
        self.settle();
        self.last = Some(atom);
    }

    /// Nothing will repeat what was read last.
    fn settle(&mut self) {
        if let Some(Atom { states, repeated, empty }) = self.last.take() {
            self.states = self.states.saturating_add(states);
            self.repeated = self.repeated.max(repeated);
            self.bare &= empty;
        }
    }

    fn alternative(&mut self) {
        self.settle();
        self.empty |= self.bare;
        self.bare = true;
    }

    /// Repeats what was read last up to `most` times (1 for no bound), or not at all if `none`.
    fn repeat(&mut self, most: u64, none: bool) -> Result<(), Inexact> {
        // Nothing to repeat, or repeated already: an error in Go.
        let Atom { states, repeated, empty } = self.last.take().ok_or(Inexact)?;
        let repeated = repeated.max(1).saturating_mul(most.max(1));
        if repeated > MAX_REPEAT {
            return Err(Inexact);
        }
        self.states = self.states.saturating_add(states.saturating_mul(most.max(1)));
        self.repeated = self.repeated.max(repeated);
        self.bare &= empty || none;
        Ok(())
    }

    fn close(mut self) -> Atom {
        self.alternative();
        Atom { states: self.states.max(1), repeated: self.repeated.max(1), empty: self.empty }
    }
}

/// A counted repetition.
struct Counts {
    text: String,
    most: u64,
    /// It may be none.
    none: bool,
}

enum Escape {
    Assertion(&'static str),
    /// The inside of a class.
    Class(&'static str),
    Char(char),
}

struct Reader {
    rest: Vec<char>,
    at: usize,
    out: String,
    fold: bool,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(c)
    }

    fn next_is(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at = self.at.saturating_add(usize::from(found));
        found
    }

    fn char(&mut self, c: char) {
        self.out.push_str(&format!("\\x{{{:X}}}", u32::from(c)));
    }

    /// A character as itself.
    fn literal(&mut self, c: char) -> Result<(), Inexact> {
        if self.fold && c.is_alphabetic() {
            self.out.push('[');
            self.range(c, c)?;
            self.out.push(']');
        } else {
            self.char(c);
        }
        Ok(())
    }

    /// What follows `(`: captures are of no use here.
    fn group(&mut self) -> Result<(), Inexact> {
        if self.next_is('?') {
            if self.next_is('P') && !self.next_is('<') {
                return Err(Inexact);
            }
            if self.rest.get(self.at.saturating_sub(1)) == Some(&'<') {
                let mut name = 0_usize;
                while self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
                    self.at = self.at.saturating_add(1);
                    name = name.saturating_add(1);
                }
                // Go refuses a name that is used twice; one name, then.
                let again = self.rest.windows(3).filter(|w| matches!(w, ['?', 'P', '<'])).count() > 1;
                if name == 0 || again || !self.next_is('>') {
                    return Err(Inexact);
                }
            } else if !self.next_is(':') {
                return Err(Inexact);
            }
        }
        self.out.push_str("(?:");
        Ok(())
    }

    /// A `?` after a repetition.
    fn lazy(&mut self) {
        if self.next_is('?') {
            self.out.push('?');
        }
    }

    /// What follows `{`, if it is a repetition: its text and the most often it repeats.
    fn counts(&mut self) -> Result<Option<Counts>, Inexact> {
        let inside: String =
            self.rest.get(self.at..).unwrap_or_default().iter().take_while(|c| **c != '}').collect();
        let (low, high) = inside.split_once(',').map_or((inside.as_str(), None), |(l, h)| (l, Some(h)));
        let number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let closed = self.rest.get(self.at.saturating_add(inside.chars().count())) == Some(&'}');
        if !closed || !number(low) || !high.is_none_or(|high| high.is_empty() || number(high)) {
            return Ok(None);
        }
        let parse = |text: &str| text.parse::<u64>().ok().filter(|n| *n <= MAX_REPEAT).ok_or(Inexact);
        let low = parse(low)?;
        let most = match high {
            Some("") | None => low,
            Some(high) => parse(high)?,
        };
        if most < low {
            return Err(Inexact);
        }
        self.at = self.at.saturating_add(inside.chars().count()).saturating_add(1);
        Ok(Some(Counts { text: format!("{{{inside}}}"), most, none: low == 0 }))
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<Escape, Inexact> {
        Ok(match self.next().ok_or(Inexact)? {
            'd' => Escape::Class("0-9"),
            'D' => Escape::Class("^0-9"),
            // Folding would add the Kelvin sign and the long s.
            'w' if !self.fold => Escape::Class("0-9A-Za-z_"),
            'W' if !self.fold => Escape::Class("^0-9A-Za-z_"),
            's' => Escape::Class("\\t\\n\\x0C\\r\\x20"),
            'S' => Escape::Class("^\\t\\n\\x0C\\r\\x20"),
            'b' => Escape::Assertion("(?-u:\\b)"),
            'A' => Escape::Assertion("\\A"),
            'z' => Escape::Assertion("\\z"),
            'n' => Escape::Char('\n'),
            't' => Escape::Char('\t'),
            'r' => Escape::Char('\r'),
            'f' => Escape::Char('\u{c}'),
            'v' => Escape::Char('\u{b}'),
            'a' => Escape::Char('\u{7}'),
            c if c.is_ascii_punctuation() || c == ' ' => Escape::Char(c),
            _ => return Err(Inexact),
        })
    }

    /// What follows `[`.
    fn class(&mut self) -> Result<(), Inexact> {
        self.out.push('[');
        if self.next_is('^') {
            self.out.push('^');
        }
        let start = self.at;
        loop {
            let first = self.at == start;
            match self.next().ok_or(Inexact)? {
                ']' if !first => break,
                '[' if self.peek() == Some(':') => return Err(Inexact),
                '-' if !first && self.peek() != Some(']') => return Err(Inexact),
                '\\' => match self.escape()? {
                    Escape::Class(text) => {
                        self.out.push('[');
                        self.out.push_str(text);
                        self.out.push(']');
                    }
                    Escape::Char(c) => self.item(c)?,
                    Escape::Assertion(_) => return Err(Inexact),
                },
                c => self.item(c)?,
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// A character of a class, or the range it begins.
    fn item(&mut self, low: char) -> Result<(), Inexact> {
        let ranged = self.peek() == Some('-')
            && self.rest.get(self.at.saturating_add(1)).is_some_and(|after| *after != ']');
        if !ranged {
            return self.range(low, low);
        }
        self.at = self.at.saturating_add(1);
        let high = match self.next().ok_or(Inexact)? {
            '\\' => match self.escape()? {
                Escape::Char(c) => c,
                Escape::Class(_) | Escape::Assertion(_) => return Err(Inexact),
            },
            '[' => return Err(Inexact),
            c => c,
        };
        if high < low { Err(Inexact) } else { self.range(low, high) }
    }

    /// A range inside a class, in both cases if case does not matter.
    fn range(&mut self, low: char, high: char) -> Result<(), Inexact> {
        self.char(low);
        self.out.push('-');
        self.char(high);
        if !self.fold || !(low..=high).any(char::is_alphabetic) {
            return Ok(());
        }
        let lower = low.is_ascii_lowercase() && high.is_ascii_lowercase();
        if !(lower || (low.is_ascii_uppercase() && high.is_ascii_uppercase())) {
            return Err(Inexact);
        }
        let swap = |c: char| if lower { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        self.char(swap(low));
        self.out.push('-');
        self.char(swap(high));
        // What else Go's folding takes for a `k` and an `s`.
        let has = |c: char| (low.to_ascii_lowercase()..=high.to_ascii_lowercase()).contains(&c);
        if has('k') {
            self.char('\u{212a}');
        }
        if has('s') {
            self.char('\u{17f}');
        }
        Ok(())
    }
}
