//! Values of a header, as far as conditions tell them apart.

use std::collections::BTreeSet;

use crate::declare::model::HeaderTest;

/// Texts that are put together; more is said to be too much.
const MAX_PARTS: usize = 7;

/// No value, and values of every kind; `None` where there are too many.
pub(super) fn samples<'t>(
    tests: impl Iterator<Item = &'t HeaderTest>,
    has_grpc: bool,
) -> Option<Vec<Option<String>>> {
    let (mut whole, mut parts) = (BTreeSet::new(), BTreeSet::new());
    let mut prefixes: BTreeSet<&str> = BTreeSet::new();
    for test in tests {
        match test {
            HeaderTest::Exact(text) => {
                whole.insert(text.clone());
                parts.extend(text.split(',').map(|part| part.trim().to_owned()));
            }
            HeaderTest::Prefix(text) => {
                prefixes.insert(text);
            }
            HeaderTest::Present | HeaderTest::Absent => {}
        }
    }
    prefixes.extend(has_grpc.then_some("application/grpc"));
    // Something that begins so, and something that begins with none of them.
    let free = |prefix: &str| {
        let mut text = format!("{prefix}~");
        while whole.contains(&text)
            || prefixes
                .iter()
                .any(|other| *other != prefix && text.starts_with(other) && other.len() > prefix.len())
        {
            text.push('~');
        }
        text
    };
    parts.extend(prefixes.iter().filter(|prefix| !prefix.is_empty()).map(|prefix| free(prefix)));
    parts.insert(free(""));
    let parts: Vec<String> = parts.into_iter().collect();
    if parts.len() > MAX_PARTS {
        return None;
    }
    let mut values: Vec<Option<String>> = vec![None];
    values.extend(whole.into_iter().map(Some));
    for set in 1..(1_u32 << parts.len()) {
        let chosen =
            parts.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0).map(|(_, part)| part.as_str());
        let chosen: Vec<&str> = chosen.collect();
        values.push(Some(chosen.join(",")));
        // A condition on the whole value is not met by two of the same, one on each part is.
        values.extend(chosen.first().map(|first| Some(format!("{first},{}", chosen.join(",")))));
        // What the whole value begins with is another question than what its parts do.
        let turned: Vec<&str> = chosen.iter().rev().copied().collect();
        values.push(Some(turned.join(",")));
        values.push(Some(format!(" {}", chosen.join(","))));
    }
    Some(values)
}
