//! The reference: regorus's interpreter, asked the same question. Tests compare every answer with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use regorus::{Engine, QueryResults, Value};
use sidegate_engine::eval::{Builtin, Context};

use crate::rego::expand;
use crate::sources::{RegoVersion, Sources};

/// Builtins that stay the interpreter's own: `walk` is part of how it finds solutions.
const NOT_REPLACED: &[&str] = &["walk"];

/// The value at `entrypoint` (`envoy/authz/allow`) for `input`; undefined where there is none. Builtin
/// errors are undefined, as in OPA's plugin. The error is the interpreter's own text.
pub fn evaluate(sources: &Sources, entrypoint: &str, input: &Value) -> Result<Value, String> {
    let mut engine = Engine::new();
    for (name, policy) in &sources.modules {
        add(&mut engine, sources, name, name, policy)?;
    }
    load_data(&mut engine, sources)?;
    engine.set_input(input.clone());
    let path: Vec<&str> = entrypoint.split('/').collect();
    ask(&mut engine, &path)
}

/// An interpreter with the builtins that plans have, for many questions about the same sources.
pub struct Reference(Interpreter);

impl Reference {
    /// One with these sources.
    ///
    /// # Errors
    /// The interpreter's own text.
    pub fn new(sources: &Sources) -> Result<Self, String> {
        Interpreter::with(sources, false).map(Self)
    }

    /// The value at `entrypoint` for `input`.
    ///
    /// # Errors
    /// The interpreter's own text.
    pub fn evaluate(&mut self, entrypoint: &str, input: &Value) -> Result<Value, String> {
        self.0.engine.set_input(input.clone());
        ask(&mut self.0.engine, &entrypoint.split('/').collect::<Vec<_>>())
    }
}

/// Lines by file.
pub(crate) type Lines = BTreeMap<String, BTreeSet<u32>>;

/// An interpreter that answers one question after the other, with the builtins that plans have: those
/// are held against OPA's in tests of their own, and what is left to compare is the language.
pub(crate) struct Interpreter {
    engine: Engine,
    /// As it was before the first question.
    fresh: Engine,
    context: Arc<Mutex<Context>>,
}

impl Interpreter {
    /// One with these sources. The error is the interpreter's own text.
    pub(crate) fn new(sources: &Sources) -> Result<Self, String> {
        Self::with(sources, true)
    }

    fn with(sources: &Sources, is_traced: bool) -> Result<Self, String> {
        let mut fresh = Engine::new();
        fresh.set_gather_prints(is_traced);
        fresh.set_enable_coverage(is_traced);
        for (name, policy) in &sources.modules {
            add(&mut fresh, sources, name, &sources.shown(name), &expand(policy))?;
        }
        load_data(&mut fresh, sources)?;
        let context = Arc::new(Mutex::new(Context::default()));
        for name in Builtin::names().filter(|name| !NOT_REPLACED.contains(name)) {
            let Some(builtin) = Builtin::find(name).map(Arc::new) else { continue };
            let arity = u8::try_from(builtin.arity()).map_err(|error| error.to_string())?;
            let context = Arc::clone(&context);
            let call = move |args: Vec<Value>| {
                let context = context.lock().map_err(|_| anyhow::anyhow!("no context"))?;
                Ok(builtin.call(&args, &context)?)
            };
            fresh.add_extension(name.to_owned(), arity, Box::new(call)).map_err(|error| error.to_string())?;
        }
        Ok(Self { engine: fresh.clone(), fresh, context })
    }

    /// The value at `path` below `data` where there is no input, and what was printed on the way.
    pub(crate) fn evaluate(
        &mut self,
        path: &[&str],
        context: &Context,
    ) -> (Result<Value, String>, Vec<String>) {
        if let Ok(mut known) = self.context.lock() {
            known.clone_from(context);
        }
        self.engine.clear_coverage_data();
        let answer = ask(&mut self.engine, path);
        (answer, self.engine.take_prints().unwrap_or_default())
    }

    /// The lines that the last evaluation went through.
    pub(crate) fn covered(&self) -> Lines {
        let files = self.engine.get_coverage_report().map(|report| report.files).unwrap_or_default();
        files.into_iter().map(|file| (file.path, file.covered)).collect()
    }

    /// Forgets what an evaluation that ended in an error may have left behind.
    pub(crate) fn reset(&mut self) {
        self.engine = self.fresh.clone();
    }
}

fn add(engine: &mut Engine, sources: &Sources, name: &str, file: &str, policy: &str) -> Result<(), String> {
    let version = sources.version(name).map_err(|finding| finding.to_string())?;
    engine.set_rego_v0(version == RegoVersion::V0);
    engine.add_policy(file.to_owned(), policy.to_owned()).map_err(|error| error.to_string())?;
    Ok(())
}

fn load_data(engine: &mut Engine, sources: &Sources) -> Result<(), String> {
    engine.set_strict_builtin_errors(false);
    engine.add_data(sources.data.clone()).map_err(|error| error.to_string())
}

fn ask(engine: &mut Engine, path: &[&str]) -> Result<Value, String> {
    let query = path.iter().fold("data".to_owned(), |query, key| format!("{query}[{}]", Value::from(*key)));
    let results: QueryResults = engine.eval_query(query, false).map_err(|error| error.to_string())?;
    let value = results.result.first().and_then(|result| result.expressions.first());
    Ok(value.map_or(Value::Undefined, |expression| expression.value.clone()))
}
