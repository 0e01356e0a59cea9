//! Whether the VMs of an Envoy are still those of the start.

use std::collections::BTreeMap;

use crate::envoy::Envoy;

/// Stats that must not move: what a trap, or a VM that had to be made anew, changes.
const STILL: [&str; 5] = ["vm_reload", ".created", "fail", "remote_load", "trap"];

/// An Envoy's wasm stats as they were.
pub struct Vms {
    at_start: BTreeMap<String, u64>,
}

impl Vms {
    /// As they are now.
    ///
    /// # Errors
    /// The admin page cannot be reached.
    pub fn of(envoy: &Envoy) -> Result<Self, String> {
        Ok(Self { at_start: envoy.stats("wasm.")? })
    }

    /// Whether all VMs are still those of then: none was reloaded, made anew or failed.
    ///
    /// # Errors
    /// One was; the message has the stats that moved.
    pub fn check(&self, envoy: &Envoy) -> Result<(), String> {
        let now = envoy.stats("wasm.")?;
        let moved: Vec<String> = now
            .iter()
            .filter(|(name, _)| STILL.iter().any(|part| name.contains(part)))
            .filter(|(name, value)| self.at_start.get(*name).unwrap_or(&0) != *value)
            .map(|(name, value)| format!("{name}: {} -> {value}", self.at_start.get(name).unwrap_or(&0)))
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        Err(envoy.with_log(&format!("expected the VM to live on, these stats moved: {}", moved.join(", "))))
    }
}
