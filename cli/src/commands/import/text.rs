//! The report for people.

use std::io::{self, Write};
use std::path::Path;

use sidegate_compiler::import::{Imported, Item, ItemKind, Service, Status};

/// Columns of a terminal.
const WIDTH: usize = 80;

pub(super) fn print(imported: &Imported, dir: &Path, out: &mut dyn Write) -> io::Result<()> {
    let Imported { services, policies, odd, others } = imported;
    let (mut written, mut refused_rules, mut rules) = (0_usize, 0_usize, 0_usize);
    for service in services {
        let Service { namespace, name, status, items } = service;
        match status {
            Status::Written { file, rules, .. } => {
                written = written.saturating_add(1);
                let path = dir.join(file);
                writeln!(out, "{}: written, {}", path.display(), count(*rules, "rule"))?;
            }
            Status::Refused { reason } => {
                wrapped(out, &format!("{namespace}/{name}: not written: "), reason, 2)?
            }
        }
        let is_written = matches!(status, Status::Written { .. });
        for item in items {
            print_item(item, is_written, out)?;
        }
    }
    if !policies.is_empty() {
        writeln!(out, "Policies beside services:")?;
    }
    for item in policies {
        print_item(item, true, out)?;
    }
    for line in odd {
        wrapped(out, "note: ", line, 2)?;
    }
    if !others.is_empty() {
        let kinds: Vec<String> = others.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
        wrapped(out, "note: not looked at: ", &kinds.join(", "), 2)?;
    }
    for item in services.iter().flat_map(|service| &service.items).chain(policies) {
        rules = rules.saturating_add(1);
        refused_rules = refused_rules.saturating_add(usize::from(item.kind == ItemKind::Refused));
    }
    let left = services.len().saturating_sub(written);
    writeln!(
        out,
        "{} written, {left} not; {refused_rules} of {rules} rules and policies refused",
        count(written, "declaration"),
    )
}

fn print_item(item: &Item, is_written: bool, out: &mut dyn Write) -> io::Result<()> {
    let Item { file, policy, rule, kind, reason, narrowed } = item;
    let word = match kind {
        ItemKind::Carried if !is_written => "dropped ",
        ItemKind::Carried if narrowed.is_empty() => "carried ",
        ItemKind::Carried => "narrower",
        ItemKind::Refused => "refused ",
        ItemKind::Left => "left out",
    };
    let rule = rule.map_or_else(String::new, |rule| format!(" rule {rule}"));
    writeln!(out, "  {word}  {policy}{rule} ({file})")?;
    if !reason.is_empty() {
        wrapped(out, "            ", reason, 12)?;
    }
    for text in narrowed.iter().filter(|_| is_written) {
        wrapped(out, "            ", text, 12)?;
    }
    Ok(())
}

/// Text in lines that a terminal has room for, all but the first further in.
fn wrapped(out: &mut dyn Write, first: &str, text: &str, indent: usize) -> io::Result<()> {
    let mut line = first.to_owned();
    let mut is_begun = true;
    for word in text.split_whitespace() {
        let is_full = line.chars().count().saturating_add(word.chars().count()) >= WIDTH;
        if is_full && !line.trim().is_empty() {
            writeln!(out, "{}", line.trim_end())?;
            line = " ".repeat(indent);
            is_begun = true;
        }
        if !is_begun {
            line.push(' ');
        }
        line.push_str(word);
        is_begun = false;
    }
    writeln!(out, "{}", line.trim_end())
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Names in backticks.
pub(super) fn names(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => format!("`{}`", names.join("`, `")),
    }
}

/// `mesh.yaml` with other names of the trust domain.
pub(super) fn mesh(aliases: &[String]) -> String {
    format!(
        "apiVersion: sidegate.io/v1alpha1\nkind: MeshPolicy\nspec: {{trustDomainAliases: [{}]}}\n",
        aliases.join(", ")
    )
}
