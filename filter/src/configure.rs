//! From the plugin's configuration to what decides.

use std::rc::Rc;

use sidegate_engine::config::{Config, Mode};

use crate::attributes;
use crate::contexts;
use crate::host::{self, Level};
use crate::metrics;
use crate::policy::Gate;

/// One configuration, ready to decide. Requests share it and never change it.
pub(crate) struct Loaded {
    /// What is done with decisions.
    pub(crate) mode: Mode,
    /// What decides.
    pub(crate) gate: Gate,
}

/// Why a configuration is refused, for the log.
struct Refused {
    code: &'static str,
    message: String,
}

/// Reads the configuration of a root context and puts it in place whole. False refuses it: Envoy then
/// does not start, or keeps the configuration that it has.
pub(crate) fn on_configure(root: u32) -> bool {
    match load() {
        Ok((loaded, report)) => {
            if contexts::configure(root, Rc::new(loaded)) {
                host::log(Level::Info, &report);
                return true;
            }
            refused(&Refused { code: "internal", message: "no such root context".to_owned() })
        }
        Err(why) => refused(&why),
    }
}

fn refused(why: &Refused) -> bool {
    let Refused { code, message } = why;
    host::log(Level::Error, &format!("sidegate: configuration refused: {message} [{code}]"));
    false
}

fn load() -> Result<(Loaded, String), Refused> {
    let json = host::plugin_configuration().map_err(|status| Refused {
        code: "host_configuration",
        message: format!("it cannot be read: {status}"),
    })?;
    let config = Config::parse(&json).map_err(|e| Refused { code: e.code(), message: e.to_string() })?;
    drop(json);
    let gate = Gate::open(&config, &attributes::workload())
        .map_err(|e| Refused { code: e.code(), message: format!("`bundle.inline`: {e}") })?;
    metrics::define();
    let Config { entrypoint, mode, on_error_status: _, limits, inline: _, trust: _ } = &config;
    let report = format!(
        "sidegate {}: {} `{entrypoint}` of {}, limits: {} steps, {} deep, {} bytes out",
        env!("CARGO_PKG_VERSION"),
        mode.as_str(),
        gate.describe(),
        limits.steps,
        limits.depth,
        limits.output_bytes,
    );
    Ok((Loaded { mode: *mode, gate }, report))
}
