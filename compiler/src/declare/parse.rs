//! A file to a [`ServicePolicy`]: every key is looked at, and what is not understood is a finding.

use std::sync::Arc;

use super::fields::{Checker, Fields, Text};
use super::model::{Caller, Condition, Mode, Rule, ServicePolicy, Target};
use super::parse_from::caller;
use super::parse_headers::{condition, header_rules};
use super::source::{Place, Source};
use super::words;
use super::yaml::{self, Node};
use crate::diagnostics::Diagnostic;

/// The only version there is.
pub(crate) const API_VERSION: &str = "sidegate.io/v1alpha1";
/// The only kind there is.
pub(crate) const KIND: &str = "ServicePolicy";

/// Rules that one file may have.
const MAX_RULES: usize = 1000;

/// Reads the declaration of the service that the path of its file names. The findings are all that is wrong.
pub(crate) fn parse(source: &Source, namespace: &str, name: &str) -> Result<ServicePolicy, Vec<Diagnostic>> {
    let document = yaml::read(source).map_err(|finding| vec![finding])?;
    let mut check = Checker::new(source);
    let policy = check.policy(document, namespace, name);
    match policy {
        Some(policy) if check.findings.is_empty() => Ok(policy),
        _ => Err(check.findings),
    }
}

impl Checker<'_> {
    fn policy(&mut self, node: Node, namespace: &str, name: &str) -> Option<ServicePolicy> {
        let mut fields = self.fields(node, &["apiVersion", "kind", "metadata", "spec"], "a declaration")?;
        self.constant(&mut fields, "apiVersion", API_VERSION);
        self.constant(&mut fields, "kind", KIND);
        if let Some(node) = self.required(&mut fields, "metadata", "a map with `name` and `namespace`") {
            self.metadata(node, namespace, name);
        }
        let spec = self.required(&mut fields, "spec", "a map with `owner` and rules")?;
        let known = ["owner", "mode", "workloads", "allow", "deny", "headers"];
        let mut spec = self.fields(spec, &known, "`spec`")?;
        let owner = self.required(&mut spec, "owner", "the team that answers for the service");
        let owner = owner.and_then(|node| self.text(node, "`owner`")).and_then(|text| self.owner(text));
        let mode = spec.take("mode").and_then(|node| self.mode(node)).unwrap_or_default();
        let workloads = match spec.take("workloads") {
            Some(node) => self.names(node, "workloads", words::subdomain),
            None => vec![name.to_owned()],
        };
        let allow = self.rules(spec.take("allow"), true);
        let deny = self.rules(spec.take("deny"), false);
        let headers = spec.take("headers").map(|node| header_rules(self, node)).unwrap_or_default();
        let Text { place: owner_place, text: owner } = owner?;
        Some(ServicePolicy {
            file: self.source.file.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            owner,
            owner_place,
            mode,
            workloads,
            allow,
            deny,
            headers,
            rego: None,
            source: Arc::new(self.source.clone()),
        })
    }

    pub(super) fn constant(&mut self, fields: &mut Fields, key: &str, expected: &str) {
        let Some(node) = self.required(fields, key, &format!("`{expected}`")) else { return };
        let Some(text) = self.text(node, &format!("`{key}`")) else { return };
        if text.text != expected {
            let message = format!("expected `{key}: {expected}`, got `{}`", text.text);
            self.wrong::<()>(text.place, "declare_version", message);
        }
    }

    pub(super) fn required(&mut self, fields: &mut Fields, key: &str, what: &str) -> Option<Node> {
        let place = fields.place;
        fields
            .take(key)
            .or_else(|| self.wrong(place, "declare_missing_key", format!("expected `{key}`, {what}")))
    }

    fn metadata(&mut self, node: Node, namespace: &str, name: &str) {
        let Some(mut fields) = self.fields(node, &["name", "namespace"], "`metadata`") else { return };
        for (key, own) in [("name", name), ("namespace", namespace)] {
            let Some(node) =
                self.required(&mut fields, key, &format!("`{own}`, as the path of this file says"))
            else {
                continue;
            };
            let Some(text) = self.text(node, &format!("`metadata.{key}`")) else { continue };
            if text.text != own {
                let message = format!(
                    "expected `{key}: {own}`, as the path of this file says, got `{}`: a file speaks of one service",
                    text.text
                );
                let help = format!("write `{own}`, or move the file to `services/<namespace>/<name>.yaml`");
                self.wrong_so::<()>(text.place, "declare_ownership", message, help);
            }
        }
    }

    pub(super) fn owner(&mut self, Text { place, text }: Text) -> Option<Text> {
        let is_name = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./@".contains(&b));
        match is_name {
            true => Some(Text { place, text }),
            false => self.wrong(
                place,
                "declare_owner",
                "expected an owner of letters, digits, `-`, `_`, `.`, `/` and `@`",
            ),
        }
    }

    fn mode(&mut self, node: Node) -> Option<Mode> {
        let Text { place, text } = self.text(node, "`mode`")?;
        match text.as_str() {
            "enforce" => Some(Mode::Enforce),
            "shadow" => Some(Mode::Shadow),
            _ => self.wrong_so(
                place,
                "declare_mode",
                format!("expected `enforce` or `shadow`, got `{text}`"),
                "leave `mode` out to enforce",
            ),
        }
    }

    /// A list of texts, each as `read` takes it.
    pub(super) fn names<T>(
        &mut self,
        node: Node,
        what: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let texts = self.texts(node, what).unwrap_or_default();
        self.each(texts, |check, text| check.word(text, &read))
    }

    /// A text as `read` takes it.
    pub(super) fn word<T>(&mut self, text: Text, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let Text { place, text } = text;
        read(&text)
            .map_or_else(|reason| self.wrong(place, "declare_value", format!("`{text}`: {reason}")), Some)
    }

    /// A node as `read` takes its text.
    pub(super) fn value<T>(
        &mut self,
        node: Node,
        what: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(node, what)?;
        self.word(text, read)
    }

    pub(super) fn rules(&mut self, node: Option<Node>, is_allow: bool) -> Vec<Rule> {
        let Some(node) = node else { return Vec::new() };
        let place = node.place;
        let items = self.list(node, "rules").unwrap_or_default();
        if items.len() > MAX_RULES {
            self.wrong::<()>(
                place,
                "declare_size",
                format!("expected at most {MAX_RULES} rules, got {}", items.len()),
            );
            return Vec::new();
        }
        self.each(items, |check, item| check.rule(item, is_allow))
    }

    fn rule(&mut self, node: Node, is_allow: bool) -> Option<Rule> {
        let place = node.place;
        let mut fields = self.fields(node, &["name", "from", "to", "when"], "a rule")?;
        let name = fields.take("name").and_then(|node| self.value(node, "`name`", words::subdomain));
        if is_allow && !fields.has("from") {
            let help = "write `from` with callers; `{authenticated: true}` is everybody with an identity";
            self.wrong_so::<()>(
                place,
                "declare_from",
                "expected `from`: nobody is allowed by leaving it out",
                help,
            );
        }
        if !is_allow && fields.is_empty() {
            let help = "leave `allow` out to let nobody in";
            self.wrong_so::<()>(place, "declare_rule", "expected `from`, `to` or `when` in a deny", help);
        }
        let from = fields.take("from").map(|node| self.callers(node));
        let to = fields.take("to").map(|node| self.targets(node)).unwrap_or_default();
        let when = fields.take("when").map(|node| self.conditions(node)).unwrap_or_default();
        Some(Rule { place, name, from, to, when })
    }

    fn callers(&mut self, node: Node) -> Vec<Caller> {
        let items = self.list(node, "callers").unwrap_or_default();
        let callers: Vec<Caller> = self.each(items, caller);
        self.each_once(&callers, |caller| (&caller.who, caller.place), "this caller")
    }

    fn conditions(&mut self, node: Node) -> Vec<Condition> {
        let items = self.list(node, "conditions").unwrap_or_default();
        self.each(items, condition)
    }

    fn targets(&mut self, node: Node) -> Vec<Target> {
        let items = self.list(node, "targets").unwrap_or_default();
        self.each(items, Self::target)
    }

    fn target(&mut self, node: Node) -> Option<Target> {
        let place = node.place;
        let mut fields = self.fields(node, &["methods", "paths", "grpc", "hosts", "ports"], "a target")?;
        if fields.is_empty() {
            let help = "leave `to` out if everything is meant";
            return self.wrong_so(place, "declare_target", "expected at least one key in a target", help);
        }
        if fields.has("grpc") && (fields.has("methods") || fields.has("paths")) {
            let help = "write two targets; a gRPC method has its path and is always `POST`";
            let at = fields.place_of("grpc");
            self.wrong_so::<()>(at, "declare_target", "expected `grpc` without `methods` and `paths`", help);
        }
        let methods = fields.take("methods").map(|node| self.names(node, "methods", words::method));
        let paths = fields.take("paths").map(|node| self.names(node, "paths", words::template));
        let grpc = fields.take("grpc").map(|node| self.names(node, "gRPC methods", words::grpc));
        let hosts = fields.take("hosts").map(|node| self.names(node, "hosts", words::host));
        let ports = fields.take("ports").map(|node| {
            let items = self.list(node, "ports").unwrap_or_default();
            self.each(items, Self::port)
        });
        Some(Target {
            place,
            methods: methods.unwrap_or_default(),
            paths: paths.unwrap_or_default(),
            grpc: grpc.unwrap_or_default(),
            hosts: hosts.unwrap_or_default(),
            ports: ports.unwrap_or_default(),
        })
    }

    fn each_once<T: Clone, K: PartialEq>(
        &mut self,
        items: &[T],
        key: impl Fn(&T) -> (&K, Place),
        what: &str,
    ) -> Vec<T> {
        for (at, item) in items.iter().enumerate() {
            let (own, place) = key(item);
            if items.iter().take(at).any(|before| key(before).0 == own) {
                self.wrong::<()>(place, "declare_twice", format!("expected {what} once, got it twice"));
            }
        }
        items.to_vec()
    }
}
