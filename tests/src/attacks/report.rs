//! `docs/attacks.md`: every attack, what is expected, and what was seen.

use std::fmt::Write as _;

use super::{Attacks, Row, Seen, Side};

/// What was seen of a row, by Envoy's version and side.
type Found = std::collections::BTreeMap<(String, Side), Seen>;

/// The text of `docs/attacks.md`.
pub fn report(attacks: &Attacks, versions: &[String], seen: &[(&Row, Found)], bypasses: usize) -> String {
    let newest = versions.last().map(String::as_str).unwrap_or_default();
    let mut text = format!(
        "# Attacks, what is expected and what was seen\n\n\
         Written by `make attacks UPDATE=1` from `tests/attacks` ([what the words mean](../tests/attacks/README.md)) and from\n\
         what real Envoys ({}) did over mTLS. {} rows, each by three sides: the declaration as a table, as a plan, and\n\
         Rego on OPA's input. **Bypasses: {bypasses}.** *Shown* is the path that the filter gets from Envoy. Where only one\n\
         thing stands under *seen*, all sides did the same. What paths mean: [paths.md](paths.md).\n",
        versions.join(" and "),
        attacks.rows().count(),
    );
    for chapter in &attacks.chapters {
        let about = chapter.about.trim();
        let _ = write!(
            text,
            "\n## {about}\n\n| attack | sent | by | expected | shown | seen |\n|---|---|---|---|---|---|\n"
        );
        for row in &chapter.rows {
            let Some((_, found)) = seen.iter().find(|(of, _)| of.id == row.id) else { continue };
            let class = row.class.as_ref().map_or(String::new(), |class| format!(" ({class})"));
            let _ = writeln!(
                text,
                "| {}{class} | {} | {} | {} | {} | {} |",
                row.attack,
                code(&row.shown()),
                row.by,
                expected(row),
                found
                    .get(&(newest.to_owned(), Side::Table))
                    .and_then(|seen| seen.sees.as_deref())
                    .map_or(String::new(), code),
                // What depends on when bytes come is not written down as if it did not.
                if row.want.contains(" or ") { "one of these".to_owned() } else { outcomes(versions, found) },
            );
        }
    }
    text
}

fn expected(row: &Row) -> String {
    let mut text = words(&row.want);
    if let Some(rego) = &row.rego {
        let _ = write!(text, "; Rego: {}", words(rego));
    }
    if let Some(before) = &row.before {
        let _ = write!(text, "; before Envoy {}: {}", before.envoy, words(&before.want));
    }
    text
}

/// What the sides did, said once where all did the same.
fn outcomes(versions: &[String], found: &Found) -> String {
    let of =
        |version: &str, side| found.get(&(version.to_owned(), side)).map_or("", |seen| seen.outcome.as_str());
    let one = |version: &str| {
        let all = Side::ALL.map(|side| of(version, side));
        if all.iter().all(|outcome| *outcome == all[0]) {
            return words(all[0]);
        }
        let named = Side::ALL.map(|side| format!("{}: {}", side.name(), words(of(version, side))));
        named.join("; ")
    };
    let texts: Vec<(String, String)> =
        versions.iter().map(|version| (version.clone(), one(version))).collect();
    match texts.as_slice() {
        [(_, first), rest @ ..] if rest.iter().all(|(_, text)| text == first) => first.clone(),
        _ => {
            texts.iter().map(|(version, text)| format!("{version}: {text}")).collect::<Vec<_>>().join("<br>")
        }
    }
}

/// An outcome, its path as code.
fn words(outcome: &str) -> String {
    let one = |outcome: &str| match outcome.split_once(' ') {
        Some(("passes", path)) => format!("passes as {}", code(path)),
        _ => outcome.to_owned(),
    };
    outcome.split(" or ").map(one).collect::<Vec<_>>().join(" or ")
}

/// Code in a cell of a table; what is long is cut.
fn code(text: &str) -> String {
    let mut short: String = text.chars().take(140).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", short.replace('|', "\\|").replace('`', "'"))
}
