//! JSON as Go's decoder and OPA's `UnmarshalJSON` read it: the last of several equal keys counts, half of a
//! surrogate pair is U+FFFD, and after the value there may be one `null`, and then anything.

use regorus::value::Object;
use regorus::{Rc, Value};

use super::error::RequestError;

/// Arrays and objects in one another. Go takes 10,000; this engine walks over values by recursion.
pub(super) const MAX_DEPTH: usize = 128;

/// Digits of one number, and digits of an exponent: beyond, a number is slow to read or takes all memory.
const MAX_DIGITS: usize = 400;
const MAX_EXPONENT_DIGITS: usize = 2;
/// Whole doubles up to here are what they say.
const EXACT: f64 = 9_007_199_254_740_992.0;

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

type Result<T> = std::result::Result<T, RequestError>;

const BAD: RequestError = RequestError::BodyJson;

/// Whether text is one value and nothing else, as Go's `json.Valid`; none where that is not certain.
pub(crate) fn is_valid(text: &str) -> Option<bool> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0);
    reader.space();
    match value {
        Ok(_) => Some(reader.peek().is_none()),
        Err(RequestError::BodyInexact) => None,
        Err(_) => Some(false),
    }
}

/// Reads a document.
pub(crate) fn read(text: &str) -> Result<Value> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    // OPA asks for one more token, and takes the nil that is `null` for none.
    if reader.peek().is_none() || reader.rest().starts_with("null") { Ok(value) } else { Err(BAD) }
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    fn next_if(&mut self, wanted: u8) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.skip(usize::from(is_next));
        is_next
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.skip(1);
        }
    }

    /// A value with the white space before it.
    fn value(&mut self, depth: usize) -> Result<Value> {
        self.space();
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => Err(RequestError::BodyInexact),
            Some(b'{') => self.object(depth.saturating_add(1)),
            Some(b'[') => self.array(depth.saturating_add(1)),
            Some(b'"') => Ok(Value::from(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let words =
                    [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))];
                let found = words.into_iter().find(|(word, _)| self.rest().starts_with(word));
                let (word, value) = found.ok_or(BAD)?;
                self.skip(word.len());
                Ok(value)
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value> {
        self.skip(1);
        self.space();
        let mut items = Vec::new();
        if self.next_if(b']') {
            return Ok(Value::from(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            if self.next_if(b']') {
                return Ok(Value::from(items));
            }
            if !self.next_if(b',') {
                return Err(BAD);
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value> {
        self.skip(1);
        self.space();
        let mut fields = Object::default();
        if self.next_if(b'}') {
            return Ok(Value::Object(Rc::new(fields)));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(BAD);
            }
            let key = Value::from(self.string()?);
            self.space();
            if !self.next_if(b':') {
                return Err(BAD);
            }
            fields.insert(key, self.value(depth)?);
            self.space();
            if self.next_if(b'}') {
                return Ok(Value::Object(Rc::new(fields)));
            }
            if !self.next_if(b',') {
                return Err(BAD);
            }
        }
    }

    fn string(&mut self) -> Result<String> {
        self.skip(1);
        let mut string = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..b' ')).ok_or(BAD)?;
            string.push_str(rest.get(..plain).unwrap_or_default());
            self.skip(plain);
            if self.next_if(b'"') {
                return Ok(string);
            }
            if !self.next_if(b'\\') {
                return Err(BAD);
            }
            string.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char> {
        let kind = self.peek().ok_or(BAD)?;
        self.skip(1);
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit().ok_or(BAD)?;
                let before = self.at;
                let second = match unit {
                    0xD800..=0xDBFF if self.rest().starts_with("\\u") => {
                        self.skip(2);
                        // Digits that are none are found when this escape is read for itself.
                        self.unit()
                    }
                    _ => None,
                };
                let units = [Some(unit), second].into_iter().flatten();
                let mut chars = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
                let first = chars.next().ok_or(BAD)?;
                // No pair: the second escape stands for itself.
                if first == char::REPLACEMENT_CHARACTER {
                    self.at = before;
                }
                first
            }
            _ => return Err(BAD),
        })
    }

    fn unit(&mut self) -> Option<u16> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.skip(4);
        u16::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self) -> Result<Value> {
        let start = self.at;
        self.next_if(b'-');
        if !self.next_if(b'0') {
            self.digits()?;
        }
        let whole = self.at;
        if self.next_if(b'.') {
            self.digits()?;
        }
        let mut exponent_digits = 0;
        let mantissa = self.at;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.skip(1);
            if !self.next_if(b'+') {
                self.next_if(b'-');
            }
            let digits = self.rest();
            exponent_digits = self.digits()?;
            let zeros = digits.bytes().take_while(|byte| *byte == b'0').count();
            exponent_digits = exponent_digits.saturating_sub(zeros);
        }
        let part = |end: usize| self.text.get(start..end).unwrap_or_default();
        if part(mantissa).len() > MAX_DIGITS || exponent_digits > MAX_EXPONENT_DIGITS {
            return Err(RequestError::BodyInexact);
        }
        let text = part(self.at);
        if whole == self.at {
            return Value::from_numeric_string(text).map_err(|_| BAD);
        }
        fraction(text, part(mantissa))
    }

    fn digits(&mut self) -> Result<usize> {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.skip(count);
        if count == 0 { Err(BAD) } else { Ok(count) }
    }
}

/// A number with a fraction or an exponent, if a double is written with the same digits: then it is the
/// number that OPA has, which keeps the text.
fn fraction(text: &str, mantissa: &str) -> Result<Value> {
    let float: f64 = text.parse().map_err(|_| BAD)?;
    let shortest = format!("{float:e}");
    let digits = |text: &str| {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        digits.trim_matches('0').to_owned()
    };
    let held = digits(shortest.split('e').next().unwrap_or_default());
    if !float.is_finite() || held != digits(mantissa) {
        return Err(RequestError::BodyInexact);
    }
    if float.abs() > EXACT {
        // Beyond, a double with the same digits is another whole number.
        return Value::from_numeric_string(text).map_err(|_| BAD);
    }
    // A double also where it is whole: OPA sees how it is written.
    Ok(Value::from(if float == 0.0 { 0.0 } else { float }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_cannot_be_held_is_refused() {
        for text in ["0.1234567890123456789", "1e100", "1e-400", "1e1000000000", "9007199254740993.0"] {
            assert_eq!(read(text), Err(RequestError::BodyInexact), "{text}");
        }
        let digits = "9".repeat(MAX_DIGITS + 1);
        assert_eq!(read(&digits), Err(RequestError::BodyInexact));
        assert_eq!(read(&"[".repeat(1_000_000)), Err(RequestError::BodyInexact));
        let deepest = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
        assert!(read(&deepest).is_ok());
        assert_eq!(read(&format!("[{deepest}]")), Err(RequestError::BodyInexact));
    }

    #[test]
    fn numbers_keep_every_digit() {
        for text in ["123456789012345678901234567890", "-18446744073709551616", "0.30000000000000004", "1.5"]
        {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        assert_eq!(read("1.50e1").unwrap(), Value::from(15_u64));
        assert_eq!(read("-0.0").unwrap(), Value::from(0_u64));
    }
}
