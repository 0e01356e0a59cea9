//! Escapes and classes of patterns.

use super::super::unicode::{self, MAX, Ranges};
use super::parse::{Look, Node, Parser};
use super::{Fault, set};

impl Parser {
    /// What follows a backslash outside a class.
    pub(super) fn escape(&mut self) -> Result<(), Fault> {
        let look = match self.peek(0) {
            Some('A') => Some(Look::TextStart),
            Some('z') => Some(Look::TextEnd),
            Some('b') => Some(Look::Word),
            Some('B') => Some(Look::NotWord),
            Some('Q') => {
                self.at = self.at.saturating_add(1);
                while let Some(c) = self.next() {
                    if c == '\\' && self.next_is('E') {
                        break;
                    }
                    self.literal(c.into());
                    self.spend(1)?;
                }
                return Ok(());
            }
            _ => None,
        };
        if let Some(look) = look {
            self.at = self.at.saturating_add(1);
            self.push(Node::Look(look));
            return Ok(());
        }
        if let Some(ranges) = self.named()? {
            self.push(Node::Class(set::clean(ranges)));
            return Ok(());
        }
        let c = self.code()?;
        self.literal(c);
        Ok(())
    }

    /// `\d`, `\pL`, `\p{Greek}` and the like after the backslash, if it is one.
    fn named(&mut self) -> Result<Option<Ranges>, Fault> {
        let Some(letter) = self.peek(0) else { return Ok(None) };
        let (negated, ranges) = if matches!(letter, 'p' | 'P') {
            self.at = self.at.saturating_add(1);
            let mut name = match self.next().ok_or(Fault::Syntax)? {
                '{' => {
                    let mut name = String::new();
                    loop {
                        match self.next().ok_or(Fault::Syntax)? {
                            '}' => break name,
                            c => name.push(c),
                        }
                    }
                }
                c => c.to_string(),
            };
            let opposite = name.starts_with('^');
            if opposite {
                name.remove(0);
            }
            (opposite != (letter == 'P'), unicode::class(&name).ok_or(Fault::Syntax)?)
        } else {
            let Some(ranges) = set::perl(letter.to_ascii_lowercase()) else { return Ok(None) };
            self.at = self.at.saturating_add(1);
            (letter.is_ascii_uppercase(), ranges.to_vec())
        };
        self.member(negated, ranges).map(Some)
    }

    /// The ranges of a named class under the flags.
    fn member(&mut self, negated: bool, ranges: Ranges) -> Result<Ranges, Fault> {
        let ranges = if self.flags.fold {
            self.spend(unicode::folds().len() / 4)?;
            set::fold(ranges)
        } else {
            set::clean(ranges)
        };
        self.spend(ranges.len())?;
        Ok(if negated { set::negate(&ranges) } else { ranges })
    }

    /// The code point of an escape after the backslash.
    fn code(&mut self) -> Result<u32, Fault> {
        let c = self.next().ok_or(Fault::Syntax)?;
        Ok(match c {
            'a' => 7,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            '0'..='7' if c == '0' || matches!(self.peek(0), Some('0'..='7')) => {
                let mut value = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.peek(0).and_then(|c| c.to_digit(8)) else { break };
                    self.at = self.at.saturating_add(1);
                    value = value.saturating_mul(8).saturating_add(digit);
                }
                value
            }
            'x' => self.hex()?,
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c.into(),
            _ => return Err(Fault::Syntax),
        })
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let digit = |c: Option<char>| c.and_then(|c| c.to_digit(16)).ok_or(Fault::Syntax);
        if !self.next_is('{') {
            let (high, low) = (digit(self.next())?, digit(self.next())?);
            return Ok(high.saturating_mul(16).saturating_add(low));
        }
        let mut value = digit(self.next())?;
        while !self.next_is('}') {
            value = value.saturating_mul(16).saturating_add(digit(self.next())?);
            if value > MAX {
                return Err(Fault::Syntax);
            }
        }
        Ok(value)
    }

    /// What follows `[`.
    pub(super) fn class(&mut self) -> Result<(), Fault> {
        let negated = self.next_is('^');
        let mut ranges: Ranges = Vec::new();
        let mut first = true;
        while first || self.peek(0) != Some(']') {
            first = false;
            self.spend(1)?;
            if self.peek(0) == Some('[')
                && self.peek(1) == Some(':')
                && self.peek(2).is_some()
                && let Some(name) = self.bracketed()
            {
                let (opposite, name) = name.strip_prefix('^').map_or((false, name.as_str()), |n| (true, n));
                let members = set::posix(name).ok_or(Fault::Syntax)?.to_vec();
                ranges.extend(self.member(opposite, members)?);
                continue;
            }
            if self.peek(0) == Some('\\') {
                self.at = self.at.saturating_add(1);
                if let Some(members) = self.named()? {
                    ranges.extend(members);
                    continue;
                }
                self.at = self.at.saturating_sub(1);
            }
            let low = self.point()?;
            let mut high = low;
            if self.peek(0) == Some('-') && self.peek(1).is_some_and(|c| c != ']') {
                self.at = self.at.saturating_add(1);
                high = self.point()?;
                if high < low {
                    return Err(Fault::Syntax);
                }
            }
            if self.flags.fold {
                self.spend(unicode::folds().len() / 4)?;
                ranges.extend(set::fold(vec![(low, high)]));
            } else {
                ranges.push((low, high));
            }
        }
        self.at = self.at.saturating_add(1);
        let ranges = set::clean(ranges);
        self.push(Node::Class(if negated { set::negate(&ranges) } else { ranges }));
        Ok(())
    }

    /// The name in `[:name:]`, if it is closed anywhere.
    fn bracketed(&mut self) -> Option<String> {
        let rest = self.chars.get(self.at.saturating_add(2)..)?;
        let len = rest.windows(2).position(|pair| pair == [':', ']'])?;
        let name = rest.iter().take(len).collect();
        self.at = self.at.saturating_add(len).saturating_add(4);
        Some(name)
    }

    fn point(&mut self) -> Result<u32, Fault> {
        match self.next().ok_or(Fault::Syntax)? {
            '\\' => self.code(),
            c => Ok(c.into()),
        }
    }
}
