//! The policy that decides about a workload, for who wants to ask it.

use sidegate_engine::attributes::Workload as Own;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use crate::build::{BuildOptions, build};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::slice::{Workload, is_slice};
use crate::sources::Sources;

/// The policy that a proxy of this workload would get from these sources, at its first entry point.
///
/// # Errors
/// What does not compile; sources that are another workload's slice.
pub fn policy_of(sources: &Sources, workload: &Workload) -> Result<Policy, Diagnostics> {
    let workload = match is_slice(&sources.data) {
        false => Some(workload.clone()),
        true if sources.is_slice_of(workload) => None,
        true => {
            let message = format!("expected a bundle for `{workload}`, got the slice of another workload");
            return Err(Diagnostic::file(&sources.root, "source_slice", message).into());
        }
    };
    let built = build(sources, &BuildOptions { workload, ..BuildOptions::default() })?;
    let limits = Limits::default();
    let wrong = |error: &sidegate_engine::bundle::BundleError| {
        Diagnostics::from(Diagnostic::file(&sources.root, error.code(), error.to_string()))
    };
    let bundle = Trust::nothing_required()
        .bundle(&built.bundle, &limits, &Own::default())
        .map_err(|error| wrong(&error))?;
    let entry = built.entries.first().map(|entry| entry.entrypoint.clone()).unwrap_or_default();
    Policy::load(bundle, &entry, limits).map_err(|error| wrong(&error))
}

impl Sources {
    /// Whether they are the slice of this workload.
    fn is_slice_of(&self, workload: &Workload) -> bool {
        let keys = ["sidegate", "workload"].map(regorus::Value::from);
        keys.iter().fold(&self.data, |value, key| &value[key]) == &workload.document()
    }
}
