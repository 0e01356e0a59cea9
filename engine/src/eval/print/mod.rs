//! `sprintf`: Go's `fmt.Sprintf` for what OPA gives it: strings, integers, large integers, doubles.

mod float;
mod verbs;

pub(super) use verbs::quote;

use num_bigint::BigInt;
use regorus::Value;

use super::format::term;
use super::number::{Inexact, is_float, whole};
use super::ops::depth_weight;
use verbs::Printer;

/// Widest field and longest precision. Go takes a million.
const MAX_WIDTH: usize = 1000;

/// An argument as OPA gives it to Go.
#[derive(Clone, Debug)]
enum Arg {
    Text(String),
    Int(i64),
    Big(BigInt),
    Float(f64),
}

/// Flags, width and precision of a verb.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    sharp: bool,
    zero: bool,
    plus: bool,
    minus: bool,
    space: bool,
    /// `%#v` and `%+v`, where the flags mean something else.
    sharp_v: bool,
    plus_v: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// `sprintf(format, values)`
pub(super) fn sprintf(args: &[Value]) -> Result<Value, Inexact> {
    let [Value::String(format), Value::Array(values)] = args else { return Ok(Value::Undefined) };
    let args = values.iter().map(argument).collect::<Result<Vec<_>, _>>()?;
    let mut printer = Printer { out: String::new(), flags: Flags::default() };
    let mut reader =
        Reader { format: format.as_bytes(), at: 0, args: &args, next: 0, reordered: false, good: true };
    reader.run(format, &mut printer)?;
    Ok(Value::from(printer.out))
}

/// Steps for the fields that a format asks for, and for arguments that it names again and again.
pub(super) fn cost(args: &[Value], most: u64) -> u64 {
    let [Value::String(format), rest @ ..] = args else { return 0 };
    let (mut wide, mut again, mut run) = (0_u64, 0_u64, 0_u64);
    for byte in format.bytes() {
        match byte {
            b'0'..=b'9' => {
                run = run.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
                continue;
            }
            b'*' => wide = wide.saturating_add(16),
            b'[' => again = again.saturating_add(1),
            _ => {}
        }
        wide = wide.saturating_add(run.min(1000) / 16);
        run = 0;
    }
    let weight = depth_weight(rest, most);
    wide.saturating_add(again.saturating_add(3).saturating_mul(weight))
}

fn argument(value: &Value) -> Result<Arg, Inexact> {
    Ok(match value {
        Value::String(text) => Arg::Text(text.to_string()),
        // Written with a fraction or an exponent: a double, also where it is whole.
        Value::Number(n) if is_float(value) => Arg::Float(n.format_decimal().parse().map_err(|_| Inexact)?),
        Value::Number(n) => match n.as_i64() {
            Some(small) => Arg::Int(small),
            None => Arg::Big(whole(value)?.ok_or(Inexact)?),
        },
        other => {
            let mut text = String::new();
            term(other, &mut text)?;
            Arg::Text(text)
        }
    })
}

struct Reader<'f, 'a> {
    format: &'f [u8],
    at: usize,
    args: &'a [Arg],
    next: usize,
    reordered: bool,
    good: bool,
}

impl Reader<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn run(&mut self, text: &str, to: &mut Printer) -> Result<(), Inexact> {
        while self.at < self.format.len() {
            self.good = true;
            let rest = text.get(self.at..).ok_or(Inexact)?;
            let plain = rest.find('%').unwrap_or(rest.len());
            to.out.push_str(rest.get(..plain).unwrap_or_default());
            self.at = self.at.saturating_add(plain);
            if self.peek().is_none() {
                break;
            }
            self.step();
            to.flags = Flags::default();
            let mut after_index = false;
            if !self.simple(to)? {
                self.index(&mut after_index);
                self.width(to, &mut after_index)?;
                self.precision(to, &mut after_index)?;
                if !after_index {
                    self.index(&mut after_index);
                }
                let Some(verb) = text.get(self.at..).and_then(|rest| rest.chars().next()) else {
                    to.out.push_str("%!(NOVERB)");
                    break;
                };
                self.at = self.at.saturating_add(verb.len_utf8());
                match self.args.get(self.next) {
                    _ if verb == '%' => to.out.push('%'),
                    _ if !self.good => to.marked(verb, "BADINDEX"),
                    None => to.marked(verb, "MISSING"),
                    Some(arg) => {
                        to.verb(arg, verb)?;
                        self.next = self.next.saturating_add(1);
                    }
                }
            }
        }
        self.extra(to)
    }

    /// Flags, and the verb if it is a small letter with an argument.
    fn simple(&mut self, to: &mut Printer) -> Result<bool, Inexact> {
        while let Some(c) = self.peek() {
            match c {
                b'#' => to.flags.sharp = true,
                b'0' => to.flags.zero = true,
                b'+' => to.flags.plus = true,
                b'-' => to.flags.minus = true,
                b' ' => to.flags.space = true,
                b'a'..=b'z' => {
                    let Some(arg) = self.args.get(self.next) else { return Ok(false) };
                    to.verb(arg, char::from(c))?;
                    self.next = self.next.saturating_add(1);
                    self.step();
                    return Ok(true);
                }
                _ => return Ok(false),
            }
            self.step();
        }
        Ok(false)
    }

    /// An argument's number in brackets.
    fn index(&mut self, found: &mut bool) {
        *found = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = self.format.get(self.at..).unwrap_or_default();
        let close = if rest.len() < 3 { None } else { rest.iter().position(|c| *c == b']') };
        let Some(close) = close else {
            self.good = false;
            self.step();
            return;
        };
        let (number, end) = number(self.format, self.at.saturating_add(1), self.at.saturating_add(close));
        let whole = end == self.at.saturating_add(close);
        self.at = self.at.saturating_add(close).saturating_add(1);
        match number.filter(|_| whole) {
            Some(n) if n >= 1 && n <= self.args.len() => {
                self.next = n.saturating_sub(1);
                *found = true;
            }
            Some(_) => {
                self.good = false;
                *found = true;
            }
            None => self.good = false,
        }
    }

    /// The integer that an argument gives for `*`.
    fn starred(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next)?;
        self.next = self.next.saturating_add(1);
        match arg {
            Arg::Int(n) if n.unsigned_abs() <= 1_000_000 => Some(*n),
            _ => None,
        }
    }

    fn width(&mut self, to: &mut Printer, after_index: &mut bool) -> Result<(), Inexact> {
        if self.peek() == Some(b'*') {
            self.step();
            match self.starred() {
                None => to.out.push_str("%!(BADWIDTH)"),
                Some(width) => {
                    if width < 0 {
                        (to.flags.minus, to.flags.zero) = (true, false);
                    }
                    to.flags.width = Some(bounded(width.unsigned_abs())?);
                }
            }
            *after_index = false;
            return Ok(());
        }
        let (width, end) = number(self.format, self.at, self.format.len());
        self.at = end;
        to.flags.width = width.map(|width| bounded(size(width))).transpose()?;
        if *after_index && width.is_some() {
            self.good = false;
        }
        Ok(())
    }

    fn precision(&mut self, to: &mut Printer, after_index: &mut bool) -> Result<(), Inexact> {
        // At the end of the format it is a verb.
        if self.peek() != Some(b'.') || self.at.saturating_add(1) >= self.format.len() {
            return Ok(());
        }
        self.step();
        if *after_index {
            self.good = false;
        }
        self.index(after_index);
        if self.peek() == Some(b'*') {
            self.step();
            match self.starred() {
                Some(precision) if precision >= 0 => {
                    to.flags.precision = Some(bounded(precision.unsigned_abs())?);
                }
                _ => to.out.push_str("%!(BADPREC)"),
            }
            *after_index = false;
            return Ok(());
        }
        let (precision, end) = number(self.format, self.at, self.format.len());
        self.at = end;
        to.flags.precision = Some(bounded(size(precision.unwrap_or(0)))?);
        Ok(())
    }

    fn extra(&self, to: &mut Printer) -> Result<(), Inexact> {
        let left = self.args.get(self.next..).unwrap_or_default();
        if self.reordered || left.is_empty() {
            return Ok(());
        }
        to.flags = Flags::default();
        to.out.push_str("%!(EXTRA ");
        for (at, arg) in left.iter().enumerate() {
            if at > 0 {
                to.out.push_str(", ");
            }
            to.out.push_str(arg.type_name());
            to.out.push('=');
            to.verb(arg, 'v')?;
        }
        to.out.push(')');
        Ok(())
    }
}

fn size(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn bounded(n: u64) -> Result<usize, Inexact> {
    usize::try_from(n).ok().filter(|n| *n <= MAX_WIDTH).ok_or(Inexact)
}

/// A decimal number and where it ends; one beyond a million is none, and ends all.
fn number(text: &[u8], from: usize, end: usize) -> (Option<usize>, usize) {
    let (mut value, mut at) = (None, from);
    while at < end
        && let Some(digit @ b'0'..=b'9') = text.get(at)
    {
        let before = value.unwrap_or(0_usize);
        if before > 1_000_000 {
            return (None, end);
        }
        value = Some(before.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
        at = at.saturating_add(1);
    }
    (value, at)
}
