//! A candidate in shadow: asked beside what decides, its answer compared and counted, and nothing else.

use std::cell::Cell;

use sidegate_engine::actions::Actions;
use sidegate_engine::attributes::Attributes;
use sidegate_engine::decide::{Difference, Verdict};

use crate::host::{self, Level};
use crate::metrics;
use crate::policy::Gates;

thread_local! {
    /// Whether a sample may be logged: one from one permission to the next.
    static MAY_LOG: Cell<bool> = const { Cell::new(false) };
}

/// Most characters of a text that a client sent.
const MOST: usize = 200;

/// Permits one more sample in the log.
pub(crate) fn permit_sample() {
    let _ = MAY_LOG.try_with(|may| may.set(true));
}

/// Asks the candidate about a request and counts how its answer differs. A body that what decides does not read was
/// not waited for: then a candidate that reads it cannot be asked.
pub(crate) fn compare(stable: &Verdict, candidate: &Gates, attributes: &Attributes, is_body_unknown: bool) {
    if is_body_unknown && candidate.body_limit().is_some() {
        return metrics::count_named("candidate.", Difference::Error.name());
    }
    let verdict = candidate.request.decide(attributes);
    let difference = stable.compare(&verdict);
    metrics::count_named("candidate.", difference.name());
    if difference != Difference::Same && MAY_LOG.try_with(|may| may.replace(false)).unwrap_or(false) {
        let header = |name: &[u8]| shown(attributes.header(name).unwrap_or_default());
        // Without the query: it is where secrets are.
        let path = attributes.header(b":path").unwrap_or_default();
        let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        host::log(
            Level::Info,
            &format!(
                "sidegate: candidate: {}: {}, now {}: {} {} from `{}`",
                difference.name(),
                outcome(&verdict),
                outcome(stable),
                header(b":method"),
                shown(path),
                shown(attributes.peer_principal().unwrap_or_default()),
            ),
        );
    }
}

fn outcome(verdict: &Verdict) -> String {
    match (&verdict.error, &verdict.actions) {
        (Some(error), _) => format!("error [{}]", error.code()),
        (None, Actions::Allow { .. }) => "allowed".to_owned(),
        (None, Actions::Deny { status, .. }) => format!("denied with {status}"),
    }
}

fn shown(bytes: &[u8]) -> String {
    bytes.iter().take(MOST).copied().flat_map(std::ascii::escape_default).map(char::from).collect()
}
