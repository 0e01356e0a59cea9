//! A plan for people.

use std::io::Write;

use sidegate_compiler::declare::{Access, Note, Plan, ServiceChange};

use super::{Report, words};
use crate::commands::replay::text as replayed;
use crate::output::Failure;
use crate::wrap::{signed, wrapped};

struct Printer<'o> {
    out: &'o mut dyn Write,
    own: &'o str,
    is_coloured: bool,
}

pub(super) fn print(
    report: &Report<'_>,
    own: &str,
    is_coloured: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Report { summary, plan, rego, decisions } = report;
    let mut printer = Printer { out, own, is_coloured };
    let Plan { mesh, services, unchanged } = *plan;
    for note in mesh {
        printer.note(note, "mesh ")?;
    }
    for path in *rego {
        let text = format!("{path} changed: replay decisions to see what that does (`--decisions LOG`)");
        printer.line("~", 0, &text)?;
    }
    for service in services {
        printer.service(service)?;
    }
    if plan.is_empty() && rego.is_empty() {
        writeln!(
            printer.out,
            "No changes: {} as before.",
            match unchanged {
                1 => "1 service decides".to_owned(),
                count => format!("{count} services decide"),
            }
        )?;
    } else {
        writeln!(printer.out, "Plan: {}.", summary.words())?;
    }
    if let Some(replay) = decisions {
        writeln!(printer.out)?;
        replayed::print(replay, true, is_coloured, printer.out)?;
    }
    Ok(())
}

impl Printer<'_> {
    /// A line that begins with a sign.
    fn line(&mut self, sign: &str, indent: usize, text: &str) -> Result<(), Failure> {
        Ok(signed(self.out, self.is_coloured, sign, indent, text)?)
    }

    fn note(&mut self, note: &Note, whose: &str) -> Result<(), Failure> {
        let Note { what, text, file, line } = note;
        let place = if *line > 0 { format!("{file}:{line}") } else { file.clone() };
        let indent = if whose.is_empty() { 2 } else { 0 };
        let what = if *what == "rego" { String::new() } else { format!("{what}: ") };
        self.line("~", indent, &format!("{whose}{what}{text} ({place})"))
    }

    fn service(&mut self, service: &ServiceChange) -> Result<(), Failure> {
        let ServiceChange { namespace, name, kind: _, gains, loses, notes } = service;
        let (sign, what) = words::kind(service);
        self.line(sign, 0, &format!("{namespace}/{name}{what}"))?;
        for (lines, is_gain) in [(gains, true), (loses, false)] {
            for access in lines {
                self.access(access, is_gain)?;
            }
        }
        for note in notes {
            self.note(note, "")?;
        }
        if gains.is_empty() && loses.is_empty() && notes.is_empty() {
            writeln!(self.out, "    nobody may call it")?;
        }
        writeln!(self.out)?;
        Ok(())
    }

    fn access(&mut self, access: &Access, gains: bool) -> Result<(), Failure> {
        let (sign, verb) = if gains { ("+", "may now") } else { ("-", "may no longer") };
        let callers = words::callers(access, self.own).join(", ");
        self.line(sign, 2, &format!("{callers} {verb}"))?;
        let paths = words::paths(access).join("  ");
        wrapped(self.out, "      ", 8, &format!("{}  {paths}", words::methods(access)))?;
        for remark in words::remarks(access, gains) {
            wrapped(self.out, "      ", 8, &remark)?;
        }
        wrapped(self.out, "      ", 8, &words::rule(&access.rule, gains))?;
        Ok(())
    }
}
