//! Slices against the whole: the same policy, the same workload, the same requests, through the plan and
//! through the interpreter here, and through a real OPA where it is asked (`make slices`).

mod opa;
mod policy;

use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value as Json;
use sidegate_compiler::{BuildOptions, Built, Sources, Workload, build, reference};
use sidegate_engine::Value;
use sidegate_engine::attributes;
use sidegate_engine::eval::Context;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

pub use opa::{Answers, ask};
pub use policy::{ENTRYPOINT, NAMES, NAMESPACES, Random, input};

/// A slice before and after a change of data.
pub struct Change {
    /// Whether what the first was made from is as it was.
    pub same_reads: bool,
    /// Before, and after.
    pub slices: [Built; 2],
}

/// One policy as a whole and as a slice, with requests.
pub struct Pair {
    /// The policy's main module.
    pub rego: String,
    /// Whose slice it is.
    pub workload: Workload,
    /// The whole, with the workload in its data.
    pub whole: Built,
    /// Its sources.
    pub whole_sources: Sources,
    /// The slice.
    pub slice: Built,
    /// Requests.
    pub inputs: Vec<Json>,
}

impl Pair {
    /// A random one.
    ///
    /// # Errors
    /// The policy is refused, as a whole or as a slice; the message has the findings and the policy.
    pub fn random(seed: u64) -> Result<Self, String> {
        let random = &mut Random(seed);
        let sources = policy::sources(random);
        let workload =
            Workload::new(random.pick(&NAMESPACES), random.pick(&NAMES)).map_err(|e| e.to_string())?;
        let rego = sources.modules.iter().find(|(name, _)| name == "p/main.rego");
        let rego = rego.map(|(_, text)| text.clone()).unwrap_or_default();
        let options = |workload| BuildOptions {
            entrypoints: vec![ENTRYPOINT.to_owned()],
            workload,
            ..BuildOptions::default()
        };
        let refused =
            |what: &str, found: &dyn std::fmt::Display| format!("seed {seed}: {what}: {found}\n{rego}");
        let slice = build(&sources, &options(Some(workload.clone()))).map_err(|e| refused("slice", &e))?;
        let whole_sources = named(sources, &workload);
        let whole = build(&whole_sources, &options(None)).map_err(|e| refused("whole", &e))?;
        let inputs = (0..6).map(|_| input(random)).collect();
        Ok(Self { rego, workload, whole, whole_sources, slice, inputs })
    }

    /// The slice of a random policy before and after one service has other data.
    ///
    /// # Errors
    /// The policy is refused.
    pub fn changed(seed: u64) -> Result<Change, String> {
        let random = &mut Random(seed);
        let sources = policy::sources(random);
        let workload =
            Workload::new(random.pick(&NAMESPACES), random.pick(&NAMES)).map_err(|e| e.to_string())?;
        let options = BuildOptions {
            entrypoints: vec![ENTRYPOINT.to_owned()],
            workload: Some(workload),
            ..BuildOptions::default()
        };
        let cut =
            |sources: &Sources| build(sources, &options).map_err(|found| format!("seed {seed}: {found}"));
        let mut after = sources.clone();
        policy::change(random, &mut after.data);
        let slices = [cut(&sources)?, cut(&after)?];
        let seen = |data: &Value| -> Vec<String> {
            slices[0].reads.iter().flatten().map(|read| read.seen(data)).collect()
        };
        Ok(Change { same_reads: seen(&sources.data) == seen(&after.data), slices })
    }

    /// What differs between the plan and the interpreter of the whole and those of the slice.
    ///
    /// # Errors
    /// A bundle cannot be opened or read.
    pub fn differences(&self, dir: &Path) -> Result<Vec<String>, String> {
        unpack(&self.slice.bundle, dir)?;
        let sliced = Sources::read_dir(dir).map_err(|found| found.to_string())?;
        let (whole, slice) = (load(&self.whole)?, load(&self.slice)?);
        let mut found = Vec::new();
        for json in &self.inputs {
            let input = Value::from(json.clone());
            let plans = [&whole, &slice].map(|policy| policy.evaluate(&input, &Context::default()));
            let both = [&self.whole_sources, &sliced]
                .map(|sources| reference::evaluate(sources, ENTRYPOINT, &input));
            let [plan, sliced_plan] = &plans;
            let [interpreter, sliced_interpreter] = &both;
            let same = plan == sliced_plan
                && interpreter.is_ok() == sliced_interpreter.is_ok()
                && (interpreter.is_err() || interpreter == sliced_interpreter);
            if !same {
                found.push(format!(
                    "{json}\nplan {plan:?}\nslice {sliced_plan:?}\ninterpreter {interpreter:?}\nslice {sliced_interpreter:?}"
                ));
            }
        }
        Ok(found)
    }

    /// What the plan of the slice answers, as OPA's JSON.
    ///
    /// # Errors
    /// The bundle cannot be loaded.
    pub fn answers(&self) -> Result<Answers, String> {
        let policy = load(&self.slice)?;
        let answer = |json: &Json| {
            let value = policy.evaluate(&Value::from(json.clone()), &Context::default());
            match value {
                Ok(Value::Undefined) | Err(_) => None,
                Ok(value) => serde_json::from_str(&value.to_string()).ok(),
            }
        };
        Ok(self.inputs.iter().map(answer).collect())
    }
}

fn load(built: &Built) -> Result<Policy, String> {
    let opened = Trust::nothing_required()
        .bundle(&built.bundle, &Limits::default(), &attributes::Workload::default())
        .map_err(|error| error.to_string())?;
    Policy::load(opened, ENTRYPOINT, Limits::default()).map_err(|error| error.to_string())
}

/// The sources with what a slice says of itself.
fn named(mut sources: Sources, workload: &Workload) -> Sources {
    let own = serde_json::json!({"workload": {"namespace": workload.namespace(), "name": workload.name()}});
    if let Ok(fields) = sources.data.as_object_mut() {
        fields.insert(Value::from("sidegate"), Value::from(own));
    }
    if let Some(manifest) = &mut sources.manifest {
        manifest.roots.push("sidegate".to_owned());
    }
    sources
}

/// Writes the files of a bundle below `dir`.
fn unpack(bundle: &[u8], dir: &Path) -> Result<(), String> {
    tar::Archive::new(GzDecoder::new(bundle)).unpack(dir).map_err(|error| error.to_string())
}
