//! Text that fits a terminal of 80 columns.

use std::io::{self, Write};

/// Columns.
const WIDTH: usize = 80;

/// Writes words, with line breaks between them, each line after the first as far in as `indent`; the first
/// begins with `head`, which stands there already in width.
pub(crate) fn wrapped(out: &mut dyn Write, head: &str, indent: usize, text: &str) -> io::Result<()> {
    let mut line = head.to_owned();
    let mut is_empty = true;
    for word in text.split(' ') {
        let width = line.chars().count().saturating_add(1).saturating_add(word.chars().count());
        if !is_empty && width > WIDTH {
            writeln!(out, "{}", line.trim_end())?;
            line = " ".repeat(indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    writeln!(out, "{}", line.trim_end())
}

/// The same for a line that begins with a sign, which says what colour it has.
pub(crate) fn signed(
    out: &mut dyn Write,
    is_coloured: bool,
    sign: &str,
    indent: usize,
    text: &str,
) -> io::Result<()> {
    let pad = " ".repeat(indent);
    if !is_coloured {
        return wrapped(out, &format!("{pad}{sign} "), indent.saturating_add(4), text);
    }
    let colour = match sign {
        "+" => "32",
        "-" => "31",
        _ => "33",
    };
    write!(out, "\x1b[{colour}m")?;
    wrapped(out, &format!("{pad}{sign} "), indent.saturating_add(4), text)?;
    write!(out, "\x1b[0m")
}
