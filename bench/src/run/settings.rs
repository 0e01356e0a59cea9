//! What the environment asks for.

/// What can be measured, in the order in which it is.
pub(crate) const SECTIONS: &[&str] =
    &["table", "callers", "rules", "headers", "workers", "latency", "memory", "start", "border", "micro"];

/// How long to measure, and what.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Rounds in which all are asked in turn.
    pub(crate) rounds: usize,
    /// Requests of each in a round.
    pub(crate) requests: usize,
    /// Requests a second, where all get the same load.
    pub(crate) rate: usize,
    sweeps: Vec<String>,
}

impl Settings {
    pub(crate) fn read() -> Result<Self, String> {
        let text = std::env::var("SWEEP").unwrap_or_default();
        let sweeps: Vec<String> =
            text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect();
        if let Some(unknown) = sweeps.iter().find(|name| !SECTIONS.contains(&name.as_str())) {
            return Err(format!("expected SWEEP to be some of {}, got `{unknown}`", SECTIONS.join(",")));
        }
        let rounds = number("BENCH_ROUNDS", 11)?;
        let requests = number("BENCH_REQUESTS", 4000)?;
        Ok(Self { rounds, requests, rate: number("BENCH_RATE", 1000)?, sweeps })
    }

    pub(crate) fn wants(&self, section: &str) -> bool {
        self.sweeps.is_empty() || self.sweeps.iter().any(|name| name == section)
    }

    /// For the sweeps, which have many points: fewer and shorter rounds.
    pub(crate) fn for_sweeps(&self) -> Self {
        Self { rounds: self.rounds.min(7), requests: (self.requests / 2).max(1), ..self.clone() }
    }
}

/// A whole number from the environment.
fn number(name: &str, default: usize) -> Result<usize, String> {
    match std::env::var(name) {
        Err(_) => Ok(default),
        Ok(text) => match text.parse() {
            Ok(n) if (1..=1_000_000).contains(&n) => Ok(n),
            _ => Err(format!("expected {name} to be a number from 1 to 1000000, got `{text}`")),
        },
    }
}
