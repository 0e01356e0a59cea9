//! A look at the text before it is parsed: what the parser would take forever for, or overflow on.
//!
//! The parser tries a comprehension first for everything in brackets, so its work doubles with each
//! level; nested calls recurse; `1e1000000000` is written out in full.

use crate::diagnostics::Diagnostic;

/// Deepest nesting of brackets and braces, and of parentheses.
const MAX_BRACKETS: usize = 20;
const MAX_PARENTHESES: usize = 64;
/// Words times two to the power of their depth. At this bound the parser takes seconds.
const MAX_WORK: u64 = 1 << 25;
/// Minus signs in a row.
const MAX_MINUS: usize = 8;
/// Steps of one reference.
const MAX_STEPS: usize = 64;

/// Refuses a file that cannot be parsed in reasonable time and space.
pub(super) fn check(file: &str, text: &str) -> Result<(), Diagnostic> {
    let mut scan = Scan::default();
    let mut lines = text.lines().zip(1_u32..);
    // A raw string goes over several lines.
    let mut raw = false;
    lines.try_for_each(|(line, number)| {
        scan.line(line, &mut raw).map_err(|(column, message)| Diagnostic {
            line: number,
            column,
            source: line.chars().take(200).collect(),
            ..Diagnostic::file(file, "rego_size", message)
        })
    })
}

/// Whether JSON has a number like `1e1000000000`, which would be written out in full.
pub(crate) fn huge_number(json: &str) -> bool {
    let mut outside = true;
    let mut escaped = false;
    let numbers: String = json
        .chars()
        .filter(|c| {
            let quote = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped && !outside;
            outside ^= quote;
            outside && !quote
        })
        .collect();
    numbers.split(['e', 'E']).skip(1).any(|rest| {
        let digits = rest.trim_start_matches(['+', '-', '0']);
        digits.chars().take_while(char::is_ascii_digit).count() > 3
    })
}

#[derive(Default)]
struct Scan {
    brackets: usize,
    parentheses: usize,
    minus: usize,
    steps: usize,
    work: u64,
}

impl Scan {
    fn line(&mut self, line: &str, raw: &mut bool) -> Result<(), (u32, String)> {
        let mut chars = line.chars().zip(1_u32..).peekable();
        let mut before = ' ';
        while let Some((c, column)) = chars.next() {
            if *raw {
                *raw = c != '`';
                continue;
            }
            match c {
                '#' => break,
                '`' => *raw = true,
                '"' => {
                    while let Some((inside, _)) = chars.next() {
                        match inside {
                            '\\' => drop(chars.next()),
                            '"' => break,
                            _ => {}
                        }
                    }
                }
                'e' | 'E' if before.is_ascii_digit() => {
                    chars.next_if(|(sign, _)| matches!(sign, '+' | '-'));
                    let mut digits = 0_usize;
                    while chars.next_if(|(digit, _)| digit.is_ascii_digit()).is_some() {
                        digits = digits.saturating_add(1);
                    }
                    if digits > 3 {
                        return Err((
                            column,
                            "expected an exponent of at most 3 digits, got more".to_owned(),
                        ));
                    }
                }
                _ => self.char(c, before).map_err(|message| (column, message))?,
            }
            before = c;
        }
        Ok(())
    }

    fn char(&mut self, c: char, before: char) -> Result<(), String> {
        match c {
            '[' | '{' => self.brackets = self.brackets.saturating_add(1),
            ']' | '}' => self.brackets = self.brackets.saturating_sub(1),
            '(' => self.parentheses = self.parentheses.saturating_add(1),
            ')' => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        self.minus = match c {
            '-' => self.minus.saturating_add(1),
            c if c.is_whitespace() => self.minus,
            _ => 0,
        };
        self.steps = match c {
            '.' => self.steps.saturating_add(1),
            c if c.is_alphanumeric() || c == '_' => self.steps,
            _ => 0,
        };
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if !(c.is_whitespace() || word(c) && word(before)) {
            let depth = u32::try_from(self.brackets.min(MAX_BRACKETS)).unwrap_or(0);
            self.work = self.work.saturating_add(1_u64 << depth);
        }
        let over = |what: &str, most: usize| Err(format!("expected at most {most} {what}, got more"));
        match self {
            Self { brackets, .. } if *brackets > MAX_BRACKETS => over("nested brackets", MAX_BRACKETS),
            Self { parentheses, .. } if *parentheses > MAX_PARENTHESES => {
                over("nested parentheses", MAX_PARENTHESES)
            }
            Self { minus, .. } if *minus > MAX_MINUS => over("minus signs in a row", MAX_MINUS),
            Self { steps, .. } if *steps > MAX_STEPS => over("names in a reference", MAX_STEPS),
            Self { work, .. } if *work > MAX_WORK => {
                Err("expected less in nested brackets; keep large tables in `data.json`".to_owned())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_data_are_bounded() {
        assert!(huge_number(r#"{"a": 1e1000000000}"#));
        assert!(!huge_number(r#"{"a": "1e1000000000", "b\"1e99999": true, "c": [1e10, "\\"]}"#));
    }

    #[test]
    fn what_the_parser_cannot_take_is_refused_first() {
        for text in [
            format!("r := {}1{}", "[".repeat(21), "]".repeat(21)),
            format!("r := {}1{}", "count(".repeat(65), ")".repeat(65)),
            "r := 1e1000".to_owned(),
            format!("r := {}1", "- ".repeat(9)),
            format!("r := input{}", ".a".repeat(65)),
            format!("r := {}", "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]], ".repeat(200)),
        ] {
            assert_eq!(check("a.rego", &text).unwrap_err().code, "rego_size", "{text}");
        }
        for text in [
            "# [[[[[[[[[[[[[[[[[[[[[[[[",
            "r := \"[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"",
            "r := `\n[[[[[[[[[[[[[[[[[[[[[[[`",
        ] {
            assert_eq!(check("a.rego", text), Ok(()), "{text}");
        }
    }
}
