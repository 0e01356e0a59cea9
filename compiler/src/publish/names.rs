//! Which workloads a folder of policies is for.

use std::collections::BTreeSet;

use regorus::Value;

use super::PublishError;
use crate::slice::Workload;
use crate::sources::Sources;

/// Where base data name the services there are.
const SERVICES: &str = "services";
/// Wrong names that are listed; the rest is counted.
const SHOWN: usize = 10;

/// The workloads that the sources name: `services/<namespace>/<name>/data.json`, or the same in one file.
/// Besides, those of `services/<namespace>/<service>.yaml`.
pub fn declared(sources: &Sources) -> Result<BTreeSet<Workload>, PublishError> {
    let services = &sources.data[&Value::from(SERVICES)];
    let mut found = BTreeSet::new();
    let mut wrong = Vec::new();
    for (namespace, names) in children("data.services", services, &mut wrong) {
        let at = format!("data.services.{namespace}");
        for (name, _) in children(&at, &names, &mut wrong) {
            match Workload::new(&namespace, &name) {
                Ok(workload) => {
                    found.insert(workload);
                }
                Err(error) => wrong.push(format!("{at}.{name}: {error}")),
            }
        }
    }
    let declared = sources.declared.iter().flat_map(|mesh| &mesh.services);
    for (namespace, name) in
        declared.flat_map(|service| service.workloads.iter().map(|name| (&service.namespace, name)))
    {
        match Workload::new(namespace, name) {
            Ok(workload) => {
                found.insert(workload);
            }
            Err(error) => wrong.push(format!("{namespace}/{name}: {error}")),
        }
    }
    if !wrong.is_empty() {
        let more = wrong.len().saturating_sub(SHOWN);
        wrong.truncate(SHOWN);
        if more > 0 {
            wrong.push(format!("and {more} more"));
        }
        return Err(PublishError::Request(format!("expected names of workloads\n{}", wrong.join("\n"))));
    }
    if found.is_empty() {
        return Err(PublishError::request(
            "expected workloads to publish, got none: give them data in `services/<namespace>/<name>/data.json`, or name them with `--workload NS/NAME` or `--workloads FILE`",
        ));
    }
    Ok(found)
}

fn children(at: &str, value: &Value, wrong: &mut Vec<String>) -> Vec<(String, Value)> {
    match value {
        Value::Undefined => Vec::new(),
        Value::Object(fields) => {
            let fields = fields.iter_sorted();
            fields
                .filter_map(|(key, value)| Some((key.as_string().ok()?.to_string(), value.clone())))
                .collect()
        }
        _ => {
            wrong.push(format!("{at}: expected an object of services"));
            Vec::new()
        }
    }
}
