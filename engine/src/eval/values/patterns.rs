//! `regex.*` and `glob.match`, with compiled patterns kept.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use regorus::Value;

use super::super::context::Context;
use super::super::number::{Inexact, integer};
use super::super::ops::depth_weight;
use super::super::regex::{Fault, Regex, TooLong};
use super::super::table::Unanswered;
use super::super::unicode;
use super::glob;

/// Patterns kept by a thread, and states of all of them.
const MAX_KEPT: usize = 256;
const MAX_STATES: u64 = 200_000;
/// Visits of a state that a step pays for; measured natively, a step is then below a quarter of a microsecond.
const VISITS_PER_STEP: u64 = 24;
/// Work of compiling that a step pays for.
const WORK_PER_STEP: u64 = 16;

type Compiled = Result<Rc<Regex>, Fault>;
type Answer = Result<Value, Unanswered>;

/// Compiled patterns, the ones used last.
#[derive(Default)]
struct Kept {
    patterns: BTreeMap<String, (Compiled, u64)>,
    states: u64,
    clock: u64,
}

thread_local! {
    /// What is compiled once is the same for every bundle and every request.
    static KEPT: RefCell<Kept> = RefCell::default();
}

impl Kept {
    fn get(&mut self, key: &str, compile: impl FnOnce() -> Result<Regex, Fault>) -> Compiled {
        self.clock = self.clock.saturating_add(1);
        if let Some((compiled, used)) = self.patterns.get_mut(key) {
            *used = self.clock;
            return compiled.clone();
        }
        let compiled = compile().map(Rc::new);
        self.states = self.states.saturating_add(states(&compiled));
        while self.patterns.len() >= MAX_KEPT || self.states > MAX_STATES {
            let oldest = self.patterns.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            let Some((dropped, _)) = oldest.and_then(|key| self.patterns.remove(&key)) else { break };
            self.states = self.states.saturating_sub(states(&dropped));
        }
        self.patterns.insert(key.to_owned(), (compiled.clone(), self.clock));
        compiled
    }
}

fn states(compiled: &Compiled) -> u64 {
    compiled.as_ref().map_or(1, |regex| regex.states())
}

fn kept(key: &str, compile: impl FnOnce() -> Result<Regex, Fault>) -> Compiled {
    KEPT.with_borrow_mut(|kept| kept.get(key, compile))
}

fn regex(pattern: &str) -> Compiled {
    kept(pattern, || Regex::new(pattern))
}

/// The program; none where OPA has an error.
fn known(compiled: Compiled) -> Result<Option<Rc<Regex>>, Inexact> {
    match compiled {
        Ok(regex) => Ok(Some(regex)),
        Err(Fault::Syntax) => Ok(None),
        Err(Fault::Large) => Err(Inexact),
    }
}

impl From<TooLong> for Unanswered {
    fn from(_: TooLong) -> Self {
        Self::Inexact
    }
}

/// Why a constant pattern is refused when a policy is built.
pub(in super::super) fn refusal(name: &str, at: usize, value: &Value) -> Option<&'static str> {
    let Value::String(text) = value else { return None };
    let fault = match (name, at) {
        ("regex.replace", 1) => regex(text).err(),
        (
            "regex.match" | "re_match" | "regex.split" | "regex.find_n" | "regex.find_all_string_submatch_n",
            0,
        ) => regex(text).err(),
        ("glob.match", 0) => glob::compile(text, &[]).err(),
        _ => None,
    };
    fault.map(|fault| match fault {
        Fault::Syntax => "the pattern is not well-formed: the call would never have a result",
        Fault::Large => "the pattern is too large: repeat less, or nest less",
    })
}

fn search_cost(compiled: &Compiled, text: &str, passes: u64) -> u64 {
    match compiled {
        Ok(regex) => {
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_add(2);
            let visits = regex.states().saturating_mul(length).saturating_mul(passes);
            (visits / VISITS_PER_STEP).saturating_add(regex.work() / WORK_PER_STEP)
        }
        Err(_) => 64,
    }
}

/// Steps of a search for the pattern at `pattern` in the text at `text`.
fn cost(args: &[Value], pattern: usize, text: usize, passes: u64) -> u64 {
    match (args.get(pattern), args.get(text)) {
        (Some(Value::String(pattern)), Some(Value::String(text))) => {
            search_cost(&regex(pattern), text, passes)
        }
        _ => 0,
    }
}

/// Steps where the first argument is the pattern.
pub(super) fn match_cost(args: &[Value], _: u64) -> u64 {
    cost(args, 0, 1, 1)
}

/// Steps where every match is wanted, with its groups.
pub(super) fn find_cost(args: &[Value], most: u64) -> u64 {
    let groups = match args.first() {
        Some(Value::String(pattern)) => regex(pattern).map_or(0, |regex| regex.groups()),
        _ => 0,
    };
    let groups = u64::try_from(groups).unwrap_or(u64::MAX);
    let text = depth_weight(args.get(1), most).saturating_mul(16);
    cost(args, 0, 1, 3).saturating_add(groups.saturating_mul(text))
}

/// Steps of `regex.replace`: a match may be empty, and its replacement long and with groups.
pub(super) fn replace_cost(args: &[Value], _: u64) -> u64 {
    let len = |at: usize| match args.get(at) {
        Some(Value::String(text)) => u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_add(1),
        _ => 1,
    };
    let groups = match args.get(2) {
        Some(Value::String(text)) => u64::try_from(text.matches('$').count()).unwrap_or(u64::MAX),
        _ => 0,
    };
    // A group is a part of a match, and matches do not overlap.
    let copied = len(0).saturating_mul(len(2).saturating_add(groups));
    cost(args, 1, 0, 5).saturating_add(copied / 256)
}

/// `regex.is_valid(pattern)`
pub(super) fn is_valid(args: &[Value], _: &Context) -> Answer {
    let [Value::String(pattern)] = args else { return Ok(Value::Bool(false)) };
    Ok(Value::Bool(known(regex(pattern))?.is_some()))
}

/// Steps of compiling.
pub(super) fn compile_cost(args: &[Value], _: u64) -> u64 {
    match args.first() {
        Some(Value::String(pattern)) => search_cost(&regex(pattern), "", 1),
        _ => 0,
    }
}

/// `regex.match(pattern, text)`
pub(super) fn is_match(args: &[Value], _: &Context) -> Answer {
    let [Value::String(pattern), Value::String(text)] = args else { return Ok(Value::Undefined) };
    match known(regex(pattern))? {
        Some(regex) => Ok(Value::Bool(regex.is_match(text)?)),
        None => Ok(Value::Undefined),
    }
}

/// `regex.split(pattern, text)`
pub(super) fn split(args: &[Value], _: &Context) -> Answer {
    let [Value::String(pattern), Value::String(text)] = args else { return Ok(Value::Undefined) };
    let Some(regex) = known(regex(pattern))? else { return Ok(Value::Undefined) };
    if !pattern.is_empty() && text.is_empty() {
        return Ok(Value::from(vec![Value::from("")]));
    }
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for found in regex.find_all(text, usize::MAX)? {
        let Some(Some((from, to))) = found.first() else { continue };
        end = *from;
        if *to != 0 {
            parts.push(part(text, begin, end));
        }
        begin = *to;
    }
    if end != text.len() {
        parts.push(part(text, begin, text.len()));
    }
    Ok(Value::from(parts))
}

fn part(text: &str, from: usize, to: usize) -> Value {
    Value::from(text.get(from..to).unwrap_or_default())
}

/// `regex.find_n(pattern, text, n)`
pub(super) fn find(args: &[Value], _: &Context) -> Answer {
    let find = |text: &str, groups: &[Option<(usize, usize)>]| group(text, groups.first());
    found(args, find)
}

/// `regex.find_all_string_submatch_n(pattern, text, n)`
pub(super) fn find_groups(args: &[Value], _: &Context) -> Answer {
    let find = |text: &str, groups: &[Option<(usize, usize)>]| {
        Value::from(groups.iter().map(|at| group(text, Some(at))).collect::<Vec<_>>())
    };
    found(args, find)
}

/// The text of a group; nothing for one that is not in the match.
fn group(text: &str, at: Option<&Option<(usize, usize)>>) -> Value {
    let (from, to) = at.copied().flatten().unwrap_or_default();
    part(text, from, to)
}

fn found(args: &[Value], each: impl Fn(&str, &[Option<(usize, usize)>]) -> Value) -> Answer {
    let [Value::String(pattern), Value::String(text), limit] = args else { return Ok(Value::Undefined) };
    let Some(limit) = integer(limit) else { return Ok(Value::Undefined) };
    let Some(regex) = known(regex(pattern))? else { return Ok(Value::Undefined) };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let found = regex.find_all(text, limit)?;
    Ok(Value::from(found.iter().map(|groups| each(text, groups)).collect::<Vec<_>>()))
}

/// `regex.replace(text, pattern, replacement)`
pub(super) fn replace(args: &[Value], _: &Context) -> Answer {
    let [Value::String(text), Value::String(pattern), Value::String(with)] = args else {
        return Ok(Value::Undefined);
    };
    let Some(regex) = known(regex(pattern))? else { return Ok(Value::Undefined) };
    let (mut out, mut last) = (String::new(), 0);
    for groups in regex.find_all(text, usize::MAX)? {
        let Some(Some((from, to))) = groups.first() else { continue };
        out.push_str(text.get(last..*from).unwrap_or_default());
        expand(&regex, with, text, &groups, &mut out);
        last = *to;
    }
    out.push_str(text.get(last..).unwrap_or_default());
    Ok(Value::from(out))
}

/// Puts the groups that `$1`, `$name` and `${name}` in a template stand for.
fn expand(regex: &Regex, template: &str, text: &str, groups: &[Option<(usize, usize)>], out: &mut String) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = rest.strip_prefix('{');
        let body = braced.unwrap_or(rest);
        let end = body.find(|c: char| !(c == '_' || unicode::is_letter(c) || unicode::is_digit(c)));
        let (name, after) = body.split_at_checked(end.unwrap_or(body.len())).unwrap_or_default();
        let after = if braced.is_some() { after.strip_prefix('}') } else { Some(after) };
        let Some(after) = after.filter(|_| !name.is_empty()) else {
            out.push('$');
            continue;
        };
        rest = after;
        let number = name.bytes().all(|b| b.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
        let at = if number && name.len() <= 9 {
            name.parse().ok().and_then(|at: usize| groups.get(at).copied().flatten())
        } else {
            regex.named(name).find_map(|at| groups.get(at).copied().flatten())
        };
        if let Some((from, to)) = at {
            out.push_str(text.get(from..to).unwrap_or_default());
        }
    }
    out.push_str(rest);
}

/// `regex.template_match(template, text, start, end)`
pub(super) fn template_match(args: &[Value], _: &Context) -> Answer {
    let [Value::String(_), Value::String(text), Value::String(_), Value::String(_)] = args else {
        return Ok(Value::Undefined);
    };
    match template(args)?.map(|pattern| known(regex(&pattern))).transpose()?.flatten() {
        Some(regex) => Ok(Value::Bool(regex.is_match(text)?)),
        None => Ok(Value::Undefined),
    }
}

/// Steps of a template: it and its parts are patterns.
pub(super) fn template_cost(args: &[Value], _: u64) -> u64 {
    let Some(Value::String(text)) = args.get(1) else { return 0 };
    match template(args) {
        Ok(Some(pattern)) => search_cost(&regex(&pattern), text, 1).saturating_mul(2),
        _ => 64,
    }
}

/// The pattern that a template means: what is between the delimiters is one, the rest is text. None where
/// OPA has an error.
fn template(args: &[Value]) -> Result<Option<String>, Inexact> {
    let [Value::String(template), _, Value::String(start), Value::String(end)] = args else {
        return Ok(None);
    };
    let (&[start], &[end]) = (start.as_bytes(), end.as_bytes()) else { return Ok(None) };
    let (mut level, mut from, mut last) = (0_usize, 0, 0);
    let mut pattern = "^".to_owned();
    for (at, byte) in template.bytes().enumerate() {
        // Where both are the same, every one opens.
        if byte == start {
            level = level.saturating_add(1);
            if level == 1 {
                from = at;
            }
        } else if byte == end {
            let Some(less) = level.checked_sub(1) else { return Ok(None) };
            level = less;
            if level == 0 {
                quote_meta(template.get(last..from).ok_or(Inexact)?, &mut pattern);
                let inner = template.get(from.saturating_add(1)..at).ok_or(Inexact)?;
                if known(regex(&format!("^{inner}$")))?.is_none() {
                    return Ok(None);
                }
                pattern.push('(');
                pattern.push_str(inner);
                pattern.push(')');
                last = at.saturating_add(1);
            }
        }
    }
    if level != 0 {
        return Ok(None);
    }
    quote_meta(template.get(last..).ok_or(Inexact)?, &mut pattern);
    pattern.push('$');
    Ok(Some(pattern))
}

fn quote_meta(text: &str, out: &mut String) {
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
}

fn globbed(args: &[Value]) -> Option<Compiled> {
    let [Value::String(pattern), delimiters, Value::String(_)] = args else { return None };
    let separators = glob::separators(delimiters)?;
    let joined: String = separators.iter().collect();
    // No regular expression begins like this.
    let key = format!("**{joined}\0{pattern}");
    Some(kept(&key, || glob::compile(pattern, &separators)))
}

/// `glob.match(pattern, delimiters, text)`
pub(super) fn glob_match(args: &[Value], _: &Context) -> Answer {
    match (globbed(args).map(known).transpose()?.flatten(), args) {
        (Some(regex), [_, _, Value::String(text)]) => Ok(Value::Bool(regex.is_match(text)?)),
        _ => Ok(Value::Undefined),
    }
}

/// Steps of `glob.match`.
pub(super) fn glob_cost(args: &[Value], _: u64) -> u64 {
    match (globbed(args), args) {
        (Some(compiled), [_, _, Value::String(text)]) => search_cost(&compiled, text, 1),
        _ => 0,
    }
}
