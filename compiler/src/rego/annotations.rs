//! `# METADATA` comments, which the parser drops: which rules and packages are entry points.

use serde::Deserialize;

use crate::diagnostics::Diagnostic;

/// What we read of an annotation; OPA knows more keys.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    entrypoint: bool,
}

/// The lines that end the comment blocks which make what follows an entry point, from 1.
pub(super) fn entrypoints(file: &str, text: &str) -> Result<Vec<u32>, Diagnostic> {
    let mut found = Vec::new();
    let mut block: Option<(u32, String)> = None;
    let mut last = 0;
    // One line more, which ends a block at the end of the text.
    for (line, number) in text.lines().chain([""]).zip(1_u32..) {
        let line = line.trim();
        match (line.strip_prefix('#'), &mut block) {
            (Some(comment), None) if comment.trim() == "METADATA" => block = Some((number, String::new())),
            (Some(comment), Some((_, yaml))) => {
                yaml.push_str(comment);
                yaml.push('\n');
            }
            (_, None) => {}
            (None, Some((start, yaml))) => {
                let start = *start;
                if read(file, start, yaml)? {
                    found.push(last);
                }
                block = None;
            }
        }
        last = number;
    }
    Ok(found)
}

fn read(file: &str, line: u32, yaml: &str) -> Result<bool, Diagnostic> {
    if yaml.trim().is_empty() {
        return Ok(false);
    }
    let wrong = |error: serde_yaml_ng::Error| Diagnostic {
        line,
        column: 1,
        source: "# METADATA".to_owned(),
        ..Diagnostic::file(file, "rego_metadata", format!("expected YAML after `# METADATA`: {error}"))
    };
    let Metadata { entrypoint } = serde_yaml_ng::from_str(yaml).map_err(wrong)?;
    Ok(entrypoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_points_are_found_by_their_line() {
        let text = "# METADATA\n# title: t\npackage a\n\n# METADATA\n# entrypoint: true\n# scope: rule\nallow := true\n\n# a comment\nx := 1\n";
        assert_eq!(entrypoints("f", text), Ok(vec![7]));
        assert_eq!(entrypoints("f", "package a\n# METADATA\n# entrypoint: true"), Ok(vec![3]));
        let error = entrypoints("f", "\n# METADATA\n# a: [\nx := 1").unwrap_err();
        assert_eq!((error.line, error.code), (2, "rego_metadata"));
    }
}
