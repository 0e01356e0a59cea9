//! What stands behind the filter and lets nothing pass which the filter has not seen.
//!
//! Envoy leaves a Wasm filter out of the chain in a worker whose VM could not be made or configured, and says so in its log
//! alone; `failure_policy` is about VMs that ran. Its own RBAC filter, right behind, looks for the mark.

use sidegate_engine::config::Mode;

use super::plugin::{GUARD, Layer, MANAGER, lacking, shipped};
use super::tree::{Tree, map};
use crate::diagnostics::Diagnostic;

/// What the guard does with requests and connections that nobody looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// There is none.
    Absent,
    /// They are counted, as is what the filter would deny.
    Counts,
    /// They are denied.
    Denies,
}

impl Guard {
    /// The guard of a filter in this mode.
    pub(super) fn of(is_wanted: bool, mode: Mode) -> Self {
        match (is_wanted, mode) {
            (false, _) | (_, Mode::Off) => Self::Absent,
            (true, Mode::Shadow) => Self::Counts,
            (true, Mode::Enforce) => Self::Denies,
        }
    }

    /// The filter's configuration; `None` where there is no guard.
    pub(super) fn filter(self, layer: Layer) -> Result<Option<Tree>, Diagnostic> {
        if self == Self::Absent {
            return Ok(None);
        }
        let mut envoy = shipped()?;
        let filter = envoy.at(&MANAGER).and_then(|manager| manager.at(&GUARD)).ok_or_else(lacking)?;
        let (Some(rules), Some(prefix)) = (filter.get("rules"), filter.get("rules_stat_prefix")) else {
            return Err(lacking());
        };
        let (rules_key, prefix_key) = match self {
            Self::Counts => ("shadow_rules", "shadow_rules_stat_prefix"),
            _ => ("rules", "rules_stat_prefix"),
        };
        let mut guard = map([("@type", layer.rbac().into()), (rules_key, rules.clone())]);
        match layer {
            Layer::Http => guard.set(prefix_key, prefix.clone()),
            // This one has to have a prefix of its own.
            Layer::Network => {
                guard.set("stat_prefix", format!("{}.", prefix.text().unwrap_or_default()).into())
            }
        }
        Ok(Some(guard))
    }
}
