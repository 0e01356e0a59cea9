//! What a verb prints.

use num_bigint::{BigInt, Sign};

use super::super::number::Inexact;
use super::super::unicode;
use super::{Arg, Flags, float};

pub(super) struct Printer {
    pub(super) out: String,
    pub(super) flags: Flags,
}

impl Arg {
    /// The name of its type in Go.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Int(_) => "int64",
            Self::Big(_) => "*big.Int",
            Self::Float(_) => "float64",
        }
    }
}

impl Printer {
    /// `%!d(MISSING)` and the like.
    pub(super) fn marked(&mut self, verb: char, what: &str) {
        self.out.push_str("%!");
        self.out.push(verb);
        self.out.push('(');
        self.out.push_str(what);
        self.out.push(')');
    }

    /// An argument under a verb.
    pub(super) fn verb(&mut self, arg: &Arg, verb: char) -> Result<(), Inexact> {
        if verb == 'v' {
            self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
            self.flags.plus_v = std::mem::take(&mut self.flags.plus);
        } else if verb == 'w' {
            // As `v`, and then an error: only Errorf takes it.
            self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
            self.flags.plus_v = std::mem::take(&mut self.flags.plus);
        }
        self.print(arg, verb)
    }

    fn print(&mut self, arg: &Arg, verb: char) -> Result<(), Inexact> {
        match (arg, verb) {
            (arg, 'T') => self.text(arg.type_name()),
            // A pointer's address.
            (Arg::Big(_), 'p' | 'w') => return Err(Inexact),
            (Arg::Text(text), 'v') if self.flags.sharp_v => self.quoted(text),
            (Arg::Text(text), 'v' | 's') => self.text(text),
            (Arg::Text(text), 'x' | 'X') => self.bytes(text, verb == 'X'),
            (Arg::Text(text), 'q') => self.quoted(text),
            (Arg::Int(n), 'v' | 'd') => self.integer(*n, 10, verb),
            (Arg::Int(n), 'b') => self.integer(*n, 2, verb),
            (Arg::Int(n), 'o' | 'O') => self.integer(*n, 8, verb),
            (Arg::Int(n), 'x' | 'X') => self.integer(*n, 16, verb),
            (Arg::Int(n), 'c') => self.pad(&character(*n).to_string()),
            (Arg::Int(n), 'q') => {
                let text = quote(&character(*n).to_string(), '\'', self.flags.plus);
                self.pad(&text);
            }
            (Arg::Int(n), 'U') => self.unicode(*n),
            (Arg::Big(n), 'b' | 'o' | 'O' | 'd' | 's' | 'v' | 'x' | 'X') => self.large(n, verb),
            (Arg::Big(n), _) => self.marked(verb, &format!("big.Int={n}")),
            (Arg::Float(n), 'v' | 'g' | 'G' | 'e' | 'E' | 'f' | 'F') => {
                let number = float::text(*n, verb, &self.flags);
                self.signed(&number);
            }
            // Binary and hexadecimal fractions.
            (Arg::Float(_), 'b' | 'x' | 'X') => return Err(Inexact),
            (arg, _) => {
                self.out.push_str("%!");
                self.out.push(verb);
                self.out.push('(');
                self.out.push_str(arg.type_name());
                self.out.push('=');
                self.print(arg, 'v')?;
                self.out.push(')');
            }
        }
        Ok(())
    }

    fn padding(&mut self, len: usize) {
        let fill = if self.flags.zero && !self.flags.minus { '0' } else { ' ' };
        self.out.extend(std::iter::repeat_n(fill, len));
    }

    fn pad(&mut self, text: &str) {
        let width = self.flags.width.unwrap_or(0).saturating_sub(text.chars().count());
        if !self.flags.minus {
            self.padding(width);
        }
        self.out.push_str(text);
        if self.flags.minus {
            self.padding(width);
        }
    }

    /// What has no zeros before it: they are there already, or mean nothing.
    fn pad_with_spaces(&mut self, text: &str) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text);
        self.flags.zero = zero;
    }

    fn truncated<'t>(&self, text: &'t str) -> &'t str {
        let end = self.flags.precision.and_then(|n| text.char_indices().nth(n));
        end.and_then(|(at, _)| text.get(..at)).unwrap_or(text)
    }

    fn text(&mut self, text: &str) {
        let text = self.truncated(text).to_owned();
        self.pad(&text);
    }

    fn quoted(&mut self, text: &str) {
        let text = self.truncated(text);
        let raw = |c: char| c == '\t' || !(c < ' ' || matches!(c, '`' | '\u{7f}' | '\u{feff}'));
        let quoted = if self.flags.sharp && text.chars().all(raw) {
            format!("`{text}`")
        } else {
            quote(text, '"', self.flags.plus)
        };
        self.pad(&quoted);
    }

    fn bytes(&mut self, text: &str, upper: bool) {
        let len = self.flags.precision.unwrap_or(usize::MAX).min(text.len());
        let Flags { sharp, space, .. } = self.flags;
        if len == 0 {
            self.padding(self.flags.width.unwrap_or(0));
            return;
        }
        let mut hex = String::new();
        for (at, byte) in text.bytes().take(len).enumerate() {
            if space && at > 0 {
                hex.push(' ');
            }
            if sharp && (at == 0 || space) {
                hex.push_str("0x");
            }
            hex.push_str(&format!("{byte:02x}"));
        }
        let hex = if upper { hex.to_ascii_uppercase() } else { hex };
        self.pad(&hex);
    }

    fn integer(&mut self, n: i64, base: u32, verb: char) {
        let flags = self.flags;
        let mut precision = 0;
        if let Some(wanted) = flags.precision {
            precision = wanted;
            if wanted == 0 && n == 0 {
                let zero = std::mem::take(&mut self.flags.zero);
                self.padding(flags.width.unwrap_or(0));
                self.flags.zero = zero;
                return;
            }
        } else if flags.zero
            && !flags.minus
            && let Some(width) = flags.width
        {
            let sign = n < 0 || flags.plus || flags.space;
            precision = width.saturating_sub(usize::from(sign));
        }
        let digits = BigInt::from(n.unsigned_abs()).to_str_radix(base);
        let digits = if verb == 'X' { digits.to_ascii_uppercase() } else { digits };
        let mut text = format!("{}{digits}", "0".repeat(precision.saturating_sub(digits.len())));
        if flags.sharp {
            match base {
                2 => text.insert_str(0, "0b"),
                8 if !text.starts_with('0') => text.insert(0, '0'),
                16 => text.insert_str(0, if verb == 'X' { "0X" } else { "0x" }),
                _ => {}
            }
        }
        if verb == 'O' {
            text.insert_str(0, "0o");
        }
        if let Some(sign) = sign(n < 0, flags.plus, flags.space) {
            text.insert(0, sign);
        }
        self.pad_with_spaces(&text);
    }

    /// An integer of more than 64 bits.
    fn large(&mut self, n: &BigInt, verb: char) {
        let flags = self.flags;
        let (base, prefix) = match verb {
            'b' => (2, "0b"),
            'o' | 'O' => (8, "0"),
            'x' => (16, "0x"),
            'X' => (16, "0X"),
            _ => (10, ""),
        };
        let prefix = match verb {
            'O' => "0o",
            _ if flags.sharp || flags.sharp_v => prefix,
            _ => "",
        };
        let digits = n.magnitude().to_str_radix(base);
        let digits = if verb == 'X' { digits.to_ascii_uppercase() } else { digits };
        let plus = flags.plus || flags.plus_v;
        let sign = sign(n.sign() == Sign::Minus, plus, flags.space).map(String::from).unwrap_or_default();
        let mut zeros = flags.precision.unwrap_or(0).saturating_sub(digits.len());
        let length =
            sign.len().saturating_add(prefix.len()).saturating_add(zeros).saturating_add(digits.len());
        let missing = flags.width.unwrap_or(0).saturating_sub(length);
        let (mut left, mut right) = (0, 0);
        if flags.minus {
            right = missing;
        } else if flags.zero && flags.precision.is_none() {
            zeros = missing;
        } else {
            left = missing;
        }
        let (left, zeros, right) = (" ".repeat(left), "0".repeat(zeros), " ".repeat(right));
        self.out.push_str(&format!("{left}{sign}{prefix}{zeros}{digits}{right}"));
    }

    fn unicode(&mut self, n: i64) {
        let digits = format!("{n:X}");
        let zeros = self.flags.precision.unwrap_or(0).max(4).saturating_sub(digits.len());
        let mut text = format!("U+{}{digits}", "0".repeat(zeros));
        let shown = u32::try_from(n).ok().and_then(char::from_u32).filter(|c| unicode::is_print(*c));
        if self.flags.sharp
            && let Some(c) = shown
        {
            text.push_str(&format!(" '{c}'"));
        }
        self.pad_with_spaces(&text);
    }

    /// A number that begins with its sign.
    fn signed(&mut self, number: &str) {
        let flags = self.flags;
        let (sign, digits) = number.split_at_checked(1).unwrap_or_default();
        let sign = if flags.space && sign == "+" && !flags.plus { " " } else { sign };
        if !flags.plus && sign == "+" {
            return self.pad(digits);
        }
        let all = format!("{sign}{digits}");
        match flags.width {
            Some(width) if flags.zero && !flags.minus && width > all.len() => {
                self.out.push_str(sign);
                self.padding(width.saturating_sub(all.len()));
                self.out.push_str(digits);
            }
            _ => self.pad(&all),
        }
    }
}

fn sign(negative: bool, plus: bool, space: bool) -> Option<char> {
    match (negative, plus, space) {
        (true, ..) => Some('-'),
        (_, true, _) => Some('+'),
        (_, _, true) => Some(' '),
        _ => None,
    }
}

fn character(n: i64) -> char {
    u32::try_from(n).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// `strconv.Quote`, in quotes of one kind; `ascii` escapes all that is not.
pub(in super::super) fn quote(text: &str, mark: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push(mark);
    for c in text.chars() {
        match c {
            c if c == mark || c == '\\' => out.extend(['\\', c]),
            c if (c.is_ascii() || !ascii) && unicode::is_print(c) => out.push(c),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push(mark);
    out
}
