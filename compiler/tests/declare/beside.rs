//! Rego beside declarations, made up: as text, and what it says about a request.

use std::fmt::Write;

use super::generate::Random;
use super::model::Request;

/// What a rule asks.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Always,
    Header(String, String),
    Method(String),
    PathBegins(String),
}

/// How a rule is written, and so what kind of value it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// `r if …`
    Plain,
    /// `r contains "x" if …`
    Set,
    /// `r["x"] := false if …`
    Object,
    /// `r := VALUE if …`
    Value(&'static str),
}

/// A rule with its default.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) form: Form,
    pub(crate) asks: Vec<Ask>,
    pub(crate) default: Option<&'static str>,
}

/// A module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Module {
    pub(crate) allow: Option<Written>,
    pub(crate) deny: Option<Written>,
}

/// The mesh-wide base's, one for all: OPA is asked about many declarations at once.
pub(crate) const MESH: &str =
    "package mesh\n\ndeny contains \"x-b\" if input.attributes.request.http.headers[\"x-b\"] == \"a\"\n";

/// Whether that one denies.
pub(crate) fn mesh_denies(request: &Request) -> bool {
    request.headers.get("x-b").map(String::as_str) == Some("a")
}

const VALUES: [&str; 12] = [
    "true",
    "false",
    "\"\"",
    "[]",
    "{}",
    "set()",
    "0",
    "null",
    "\"no\"",
    "[false]",
    "{\"a\": false}",
    "{false}",
];
/// Those that are nothing.
const NOTHING: [&str; 5] = ["false", "\"\"", "[]", "{}", "set()"];

impl Ask {
    fn new(random: &mut Random) -> Self {
        match random.below(8) {
            0 => Self::Always,
            1 | 2 => Self::Header(random.text(&["x-a", "x-b"]), random.text(&["a", "ab"])),
            3..=5 => Self::Method(random.text(&["GET", "POST", "DELETE"])),
            _ => Self::PathBegins(random.text(&["/", "/v1", "/admin", "//", "/a"])),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Always => "true".to_owned(),
            Self::Header(name, value) => {
                format!("input.attributes.request.http.headers[\"{name}\"] == \"{value}\"")
            }
            Self::Method(method) => format!("input.attributes.request.http.method == \"{method}\""),
            Self::PathBegins(path) => format!("startswith(input.attributes.request.http.path, \"{path}\")"),
        }
    }

    fn holds(&self, request: &Request) -> bool {
        match self {
            Self::Always => true,
            Self::Header(name, value) => request.headers.get(name) == Some(value),
            Self::Method(method) => request.method.as_ref() == Some(method),
            Self::PathBegins(begin) => request.path.as_ref().is_some_and(|path| path.starts_with(begin)),
        }
    }
}

impl Written {
    fn new(random: &mut Random) -> Self {
        let form = match random.below(8) {
            0..=3 => Form::Plain,
            4 => Form::Set,
            5 => Form::Object,
            _ => Form::Value(random.pick(&VALUES)),
        };
        let is_partial = matches!(form, Form::Set | Form::Object);
        let default = (!is_partial && random.chance(30)).then(|| random.pick(&VALUES));
        let asks = (0..1 + random.below(2)).map(|_| Ask::new(random)).collect();
        Self { form, asks, default }
    }

    fn write(&self, name: &str, text: &mut String) {
        if let Some(default) = self.default {
            writeln!(text, "default {name} := {default}\n").unwrap();
        }
        for ask in &self.asks {
            let head = match self.form {
                Form::Plain => name.to_owned(),
                Form::Set => format!("{name} contains \"why\""),
                Form::Object => format!("{name}[\"why\"] := false"),
                Form::Value(value) => format!("{name} := {value}"),
            };
            writeln!(text, "{head} if {}\n", ask.text()).unwrap();
        }
    }

    /// The value, as it is written; `None` where it is undefined.
    fn value(&self, request: &Request) -> Option<&'static str> {
        let holds = self.asks.iter().any(|ask| ask.holds(request));
        match (self.form, holds) {
            (Form::Plain, true) => Some("true"),
            (Form::Set, true) => Some("{\"why\"}"),
            (Form::Object, true) => Some("{\"why\": false}"),
            (Form::Value(value), true) => Some(value),
            (Form::Set | Form::Object, false) => Some("{}"),
            (_, false) => self.default,
        }
    }
}

impl Module {
    pub(crate) fn new(random: &mut Random) -> Self {
        let allow = random.chance(70).then(|| Written::new(random));
        let deny = random.chance(60).then(|| Written::new(random));
        Self { allow, deny }
    }

    pub(crate) fn text(&self, name: &str) -> String {
        let mut text = format!("package services.pay[\"{name}\"]\n\n");
        if let Some(allow) = &self.allow {
            allow.write("allow", &mut text);
        }
        if let Some(deny) = &self.deny {
            deny.write("deny", &mut text);
        }
        text
    }

    /// What `allow` says; `None` where there is no such rule.
    pub(crate) fn allows(&self, request: &Request) -> Option<bool> {
        self.allow.as_ref().map(|allow| allow.value(request) == Some("true"))
    }

    pub(crate) fn denies(&self, request: &Request) -> bool {
        let value = self.deny.as_ref().and_then(|deny| deny.value(request));
        value.is_some_and(|value| !NOTHING.contains(&value))
    }
}
