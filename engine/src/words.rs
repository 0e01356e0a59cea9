//! Words for messages: what was probably meant, and what there is to choose from.

/// "`a`, `b` or `c`".
pub fn alternatives<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// The known key that `key` is most likely a slip of: at most two edits away, and fewer than half of
/// its letters; letter case and `-` for `_` are no edits.
pub fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    // A key of a hundred letters is no slip; it only costs time.
    if key.len() > 40 {
        return None;
    }
    let plain = |word: &str| word.to_ascii_lowercase().replace('-', "_");
    known
        .iter()
        .map(|candidate| (distance(&plain(key), &plain(candidate)), *candidate))
        .filter(|(edits, candidate)| *edits <= 2 && edits * 2 < candidate.len())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, x) in a.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        let mut next = vec![left];
        for (y, above) in b.chars().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// What others wrote, for a message: control characters escaped (a log line stays one line), backticks replaced, long text
/// cut.
pub(crate) fn shown(text: &str) -> String {
    on_one_line(text, 60).replace('`', "'")
}

/// The same of a message that quotes them.
pub(crate) fn line(message: &str) -> String {
    on_one_line(message, 240)
}

fn on_one_line(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        match c {
            _ if count == most => {
                out.push('…');
                break;
            }
            _ if c.is_control() => out.extend(c.escape_default()),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["serviceAccount", "namespace", "service_port"];
        for (word, meant) in [
            ("serviceaccount", Some("serviceAccount")),
            ("ServiceAcount", Some("serviceAccount")),
            ("name-space", Some("namespace")),
            ("service-port", Some("service_port")),
            ("caller", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), meant, "{word}");
        }
    }
}
