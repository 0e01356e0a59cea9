//! Pages of the docs with generated parts.

use std::path::Path;

/// Replaces what stands between the two comments `NAME:begin` and `NAME:end` of a page.
///
/// # Errors
/// The page cannot be read or written, or lacks one of them.
pub fn between(path: &Path, name: &str, text: &str) -> Result<(), String> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let page =
        std::fs::read_to_string(path).map_err(|e| format!("could not read {}: {e}", path.display()))?;
    let changed = replaced(&page, &begin, &end, text)
        .ok_or_else(|| format!("expected `{begin}` and `{end}` in {}", path.display()))?;
    std::fs::write(path, changed).map_err(|e| format!("could not write {}: {e}", path.display()))
}

fn replaced(page: &str, begin: &str, end: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n{}\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn only_what_is_between_is_replaced() {
        assert_eq!(replaced("a <b> old <e> c", "<b>", "<e>", "new\n").unwrap(), "a <b>\nnew\n<e> c");
        assert_eq!(replaced("a <b> c", "<b>", "<e>", "new"), None);
    }
}
