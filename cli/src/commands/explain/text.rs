//! An explanation for people.

use std::io::Write;

use sidegate_compiler::declare::{Access, Addition, Effect, Methods, Reason, ServicePolicy};
use sidegate_engine::Value;

use super::Report;
use super::asked::Asked;
use crate::output::Failure;
use crate::wrap::wrapped;

pub(super) fn one(report: &Report<'_>, has_declarations: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let Report { allowed, caller, workload, method, path, result, .. } = report;
    let (word, may) = if *allowed { ("yes", "may") } else { ("no", "may not") };
    wrapped(out, &format!("{word}: "), 4, &format!("{caller} {may} {method} {path} at {workload}"))?;
    if is(result, "mode", "shadow") {
        wrapped(
            out,
            "",
            0,
            "The declaration is in `mode: shadow`: where the proxy lets it, this is only counted.",
        )?;
    }
    reasons(report, has_declarations, out)?;
    headers(result, out)?;
    if !report.rego.is_empty() {
        writeln!(out)?;
        let files = report.rego.join(", ");
        wrapped(
            out,
            "",
            0,
            &format!("Rego has a say here, too: {files}. `sidegate eval` and `sidegate test` ask it."),
        )?;
    }
    Ok(())
}

pub(super) fn reasons(
    report: &Report<'_>,
    has_declarations: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Report { allowed, decided_by, nearest, odd_path, write, advice, declared, workload, rego, .. } =
        report;
    writeln!(out)?;
    if !declared {
        let why = match has_declarations {
            true => format!("No file declares {workload}; `sidegate init {workload}` writes one."),
            false => {
                "There are no declarations here; this is what the policy's Rego answers. `sidegate eval` and \
                      `sidegate test` ask it."
                    .to_owned()
            }
        };
        wrapped(out, "", 0, &why)?;
        return Ok(());
    }
    match (decided_by.is_empty(), allowed, odd_path) {
        (_, false, Some(_)) => {}
        (false, true, _) => writeln!(out, "Allowed by")?,
        (false, false, _) => writeln!(out, "Denied by")?,
        (true, false, None) if nearest.is_empty() && rego.is_empty() => {
            writeln!(out, "No rule speaks of this caller or this path.")?;
        }
        (true, false, None) if nearest.is_empty() => writeln!(out, "Not the declaration has decided this.")?,
        (true, false, None) => writeln!(out, "No rule allows it. What comes closest:")?,
        (true, true, _) => writeln!(out, "Not the declaration has decided this.")?,
    }
    for reason in decided_by.iter().chain(nearest.iter()) {
        shown(reason, out)?;
    }
    if let Some(addition) = write.filter(|_| !*allowed) {
        writeln!(out)?;
        to_write(addition, out)?;
    }
    if let Some(advice) = advice.filter(|_| !*allowed) {
        if odd_path.is_none() {
            writeln!(out)?;
        }
        wrapped(out, "", 0, &sentence(advice))?;
    }
    Ok(())
}

fn shown(reason: &Reason, out: &mut dyn Write) -> Result<(), Failure> {
    let Reason { file, line, column, source, effect, name, because } = reason;
    let kind = if *effect == Effect::Allow { "allow" } else { "deny" };
    let name = name.as_ref().map_or_else(String::new, |name| format!(" `{name}`"));
    writeln!(out, "  {file}:{line} ({kind}{name})")?;
    let number = line.to_string();
    let mark = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
    writeln!(out, "   {number} | {source}")?;
    writeln!(out, "   {:1$} | {2:3$}^", "", number.len(), "", mark)?;
    for why in because {
        wrapped(out, "    ", 4, why)?;
    }
    Ok(())
}

fn to_write(addition: &Addition, out: &mut dyn Write) -> Result<(), Failure> {
    let Addition { file, is_entry, yaml, wider } = addition;
    let place = if *is_entry { "below `allow`" } else { "below `spec`" };
    wrapped(out, "", 0, &format!("To allow exactly this, write in {file} {place}:"))?;
    write!(out, "{yaml}")?;
    if let Some(wider) = wider {
        wrapped(out, "", 0, &format!("That is a little more: {wider}."))?;
    }
    Ok(())
}

/// What happens to headers of an allowed request.
fn headers(result: &Value, out: &mut dyn Write) -> Result<(), Failure> {
    let Value::Object(fields) = result else { return Ok(()) };
    let mut lines = Vec::new();
    for (key, side) in [("headers", "request"), ("response_headers_to_set", "response")] {
        if let Some(Value::Object(set)) = fields.get(&Value::from(key)) {
            for (name, value) in set.iter_sorted() {
                lines.push(format!("{side}: {} is set to {value}", plain(name)));
            }
        }
    }
    for (key, side) in [("request_headers_to_remove", "request"), ("response_headers_to_remove", "response")]
    {
        if let Some(Value::Array(names)) = fields.get(&Value::from(key)) {
            lines.extend(names.iter().map(|name| format!("{side}: {} is removed", plain(name))));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    lines.sort();
    writeln!(out, "\nHeaders")?;
    for line in lines {
        wrapped(out, "  ", 4, &line)?;
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    value.as_string().map_or_else(|_| value.to_string(), |text| text.to_string())
}

fn is(result: &Value, key: &str, wanted: &str) -> bool {
    matches!(result, Value::Object(fields) if fields.get(&Value::from(key)) == Some(&Value::from(wanted)))
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

/// All that a caller may do.
pub(super) fn may(
    asked: &Asked,
    service: &ServicePolicy,
    access: &[Access],
    rego: &[String],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Asked { caller, to, .. } = asked;
    if access.is_empty() {
        wrapped(out, "no: ", 4, &format!("{caller} may do nothing at {to} ({})", service.file))?;
    } else {
        writeln!(out, "{caller} may, at {to}:")?;
    }
    for Access { methods, paths, grpc, when, rule, .. } in access {
        let methods = if *grpc { "gRPC".to_owned() } else { methods_words(methods) };
        let paths = if paths.is_empty() { "any path".to_owned() } else { paths.join(", ") };
        wrapped(out, "  ", 4, &format!("{methods}  {paths}"))?;
        if !when.is_empty() {
            wrapped(out, "    ", 6, &format!("if {}", when.join(" and ")))?;
        }
        writeln!(out, "    {}:{}", rule.file, rule.line)?;
    }
    for rule in service.deny.iter().filter(|_| !access.is_empty()) {
        writeln!(out, "What `deny` at {}:{} says is taken off.", service.file, rule.place.line)?;
    }
    if !rego.is_empty() {
        wrapped(out, "", 0, &format!("Rego has a say here, too: {}.", rego.join(", ")))?;
    }
    Ok(())
}

fn methods_words(methods: &Methods) -> String {
    match methods {
        Methods::Any => "any method".to_owned(),
        Methods::AnyBut(names) => format!("any method but {}", names.join(", ")),
        Methods::These(names) => names.join(", "),
    }
}
