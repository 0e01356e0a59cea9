//! The built filter asked a case: as a decision about a request that allows if the answer is the one that
//! the plan gave natively.

use std::collections::BTreeMap;

use sidegate_compiler::{BuildOptions, build};
use sidegate_engine::Value;

use super::question::{ENTRYPOINT, Question};
use crate::case::plugin_configuration;
use crate::wasm_host::{Filter, Seen, Vm};

/// Requests after which a VM is thrown away: every policy stays in it, as plugins of one VM do.
const PER_VM: usize = 50;
const DECISION: &str = "conformance_decision/allow";

/// The filter in a VM that is used for many cases.
pub(super) struct Wasm<'f> {
    filter: &'f Filter,
    vm: Option<(Vm, usize)>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// As native.
    Agrees,
    /// Not as native: another answer, an error, or a trap.
    Differs(String),
    /// It cannot be asked as a decision about a request; why.
    NotAsked(String),
}

impl<'f> Wasm<'f> {
    pub(super) fn new(filter: &'f Filter) -> Self {
        Self { filter, vm: None }
    }

    /// Asks the filter. `native` is what the plan answered; `None` where it ended in an error, which must
    /// be a deny here.
    pub(super) fn ask(
        &mut self,
        question: &Question,
        reads_input: bool,
        native: Option<&Value>,
    ) -> Agreement {
        let with = match &question.input {
            // What the request itself has would be read.
            Value::Undefined if reads_input => {
                return Agreement::NotAsked("reads `input`, which the case has none of".into());
            }
            Value::Undefined => String::new(),
            input => format!(" with input as {}", term(input)),
        };
        let asked = format!("answer := data.{}{with}", ENTRYPOINT.replace('/', "."));
        let matches = native.map_or_else(|| "true".to_owned(), |value| format!("answer == {}", term(value)));
        let head = if question.version == 0 {
            "default allow = false\n\nallow"
        } else {
            "default allow := false\n\nallow if"
        };
        let module = format!("package conformance_decision\n\n{head} {{\n\t{asked}\n\t{matches}\n}}\n");
        let mut sources = question.sources.clone();
        sources.modules.push(("decision.rego".into(), module));
        sources.modules.sort();
        let options = BuildOptions { entrypoints: vec![DECISION.into()], ..BuildOptions::default() };
        let built = match build(&sources, &options) {
            Ok(built) => built,
            Err(found) => return Agreement::NotAsked(format!("as a decision it is refused: {found}")),
        };
        match (self.decide(&built.bundle), native) {
            (Ok(200), Some(_)) | (Ok(403), None) => Agreement::Agrees,
            (Ok(status), _) => Agreement::Differs(format!("in the wasm: another answer (status {status})")),
            (Err(trap), _) => {
                self.vm = None;
                Agreement::Differs(format!("in the wasm: {trap}"))
            }
        }
    }

    fn decide(&mut self, bundle: &[u8]) -> Result<u16, String> {
        let (mut vm, used) = match self.vm.take() {
            Some((vm, used)) if used < PER_VM => (vm, used),
            _ => (Vm::new(self.filter)?, 0),
        };
        let plugin = vm.configure(plugin_configuration(bundle, DECISION).to_string().as_bytes())?;
        let ok = vec![(b":status".to_vec(), b"200".to_vec())];
        let outcome = vm.request(plugin, seen(), &|_| ok.clone())?;
        self.vm = Some((vm, used + 1));
        Ok(outcome.local.map_or(200, |local| local.status))
    }
}

fn seen() -> Seen {
    let headers = [(":authority", "service.test"), (":path", "/"), (":method", "GET"), (":scheme", "http")];
    let headers = headers.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let properties = BTreeMap::from([("connection.mtls".to_owned(), vec![0])]);
    Seen { headers: headers.to_vec(), properties, ..Seen::default() }
}

/// The value as a term of the language.
fn term(value: &Value) -> String {
    let join = |terms: Vec<String>| terms.join(", ");
    match value {
        Value::Array(items) => format!("[{}]", join(items.iter().map(term).collect())),
        Value::Set(items) if items.iter().next().is_none() => "set()".to_owned(),
        Value::Set(items) => format!("{{{}}}", join(items.iter().map(term).collect())),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{}: {}", term(key), term(value)));
            format!("{{{}}}", join(fields.collect()))
        }
        other => other.to_string(),
    }
}
