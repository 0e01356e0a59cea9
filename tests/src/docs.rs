//! Pages of the documentation that are written from what tests have seen.

use crate::places;

/// What a file of the repository is to say; with `SIDEGATE_BLESS=1` it is made to.
///
/// # Panics
/// It says something else.
pub fn assert_written(path: &str, text: &str) {
    assert_written_by("make attacks UPDATE=1", path, text);
}

/// The same of a file that another command writes.
///
/// # Panics
/// It says something else.
pub fn assert_written_by(command: &str, path: &str, text: &str) {
    if let Some(chosen) = places::chosen_envoys() {
        println!("{path} is about the usual Envoys and not compared with what {chosen} shows");
        return;
    }
    let file = places::root().join(path);
    if std::env::var_os("SIDEGATE_BLESS").is_some() {
        std::fs::write(&file, text).expect("a file that can be written");
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == text, "{path} is not what was seen; run: {command}");
}

/// The same of the part of a file between the comments `NAME:begin` and `NAME:end`.
///
/// # Panics
/// It says something else, or has no such comments.
pub fn assert_table(path: &str, name: &str, table: &str) {
    let written = std::fs::read_to_string(places::root().join(path)).expect("a page");
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let (before, rest) = written.split_once(&begin).expect("a comment that begins the table");
    let (_, after) = rest.split_once(&end).expect("a comment that ends it");
    assert_written(path, &format!("{before}{begin}{table}{end}{after}"));
}
