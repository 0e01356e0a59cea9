//! Measuring: what is compared, how it is started and loaded, and what is written down.

pub(crate) mod bench;
pub(crate) mod border;
pub(crate) mod cpu;
pub(crate) mod latency;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod micro;
mod opa;
pub(crate) mod results;
pub(crate) mod settings;
pub(crate) mod start;
pub(crate) mod subject;
pub(crate) mod sweeps;
pub(crate) mod table;
