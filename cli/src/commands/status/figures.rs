//! The filter's figures, out of any of the forms that Envoy's admin page has them in.

use std::collections::BTreeMap;

use serde_json::Value;
use sidegate_compiler::stats::{FAMILIES, Kind, PREFIX, find};

/// Figures by their names below `wasmcustom.sidegate.`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures(BTreeMap<String, u64>);

impl Figures {
    /// Reads `/stats?format=json`, `/stats` or `/stats/prometheus`.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(json) = serde_json::from_str::<Value>(&text) {
            return Self::of_json(&json);
        }
        let plain = text.lines().filter_map(|line| {
            let (name, value) = line.trim().strip_prefix(PREFIX)?.split_once(": ")?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        });
        let prometheus = text.lines().filter_map(of_prometheus);
        Self(plain.chain(prometheus).collect())
    }

    fn of_json(json: &Value) -> Self {
        let stats = json.get("stats").and_then(Value::as_array).into_iter().flatten();
        let figure = |stat: &Value| {
            let name = stat.get("name")?.as_str()?.strip_prefix(PREFIX)?.to_owned();
            Some((name, stat.get("value")?.as_u64()?))
        };
        Self(stats.filter_map(figure).collect())
    }

    /// The same with counters of what has happened since `before`; what a proxy that has begun anew counts is since then.
    pub(super) fn since(mut self, before: &Self) -> Self {
        for (name, value) in &mut self.0 {
            let is_counter = find(name).is_some_and(|(family, _)| family.kind == Kind::Counter);
            if let Some(earlier) = before.get(name).filter(|earlier| is_counter && *earlier <= *value) {
                *value = value.saturating_sub(earlier);
            }
        }
        self
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The figure of this name.
    pub(super) fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// Those of a family that are not 0, by the last part of their names.
    pub(super) fn family(&self, name: &str) -> BTreeMap<String, u64> {
        let own = self.0.iter().filter(|(_, value)| **value > 0);
        own.filter_map(|(full, value)| Some((full.strip_prefix(name)?.strip_prefix('.')?.to_owned(), *value)))
            .collect()
    }
}

/// A line of `/stats/prometheus`, whether the last part of a name has become a label or not.
fn of_prometheus(line: &str) -> Option<(String, u64)> {
    let (series, value) = line.trim().rsplit_once(' ')?;
    let value = value.parse::<u64>().ok()?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    FAMILIES.iter().find_map(|family| {
        let rest = name.strip_prefix(&family.prometheus())?;
        let word = match (family.label, rest) {
            (None, "") => return Some((family.name.to_owned(), value)),
            (Some(label), "") => {
                let before = format!("{}=\"", label.name);
                labels.split_once(&before)?.1.split_once('"')?.0
            }
            (Some(_), rest) => rest.strip_prefix('_')?,
            (None, _) => return None,
        };
        family.label?.values.has(word).then(|| (format!("{}.{word}", family.name), value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_since_then_and_gauges_are_now() {
        let read = |serial: u64, denied: u64, errors: u64| {
            let text = format!(
                "wasmcustom.sidegate.bundle.serial: {serial}\nwasmcustom.sidegate.decisions.denied: {denied}\n\
                 wasmcustom.sidegate.errors.eval_steps: {errors}\n"
            );
            Figures::read(text.as_bytes())
        };
        assert_eq!(read(7, 12, 3).since(&read(6, 10, 3)), read(7, 2, 0));
        assert_eq!(read(7, 4, 1).since(&read(6, 10, 3)), read(7, 4, 1), "begun anew");
        assert_eq!(read(7, 4, 1).since(&Figures::default()), read(7, 4, 1));
    }

    #[test]
    fn all_forms_say_the_same() {
        let json = r#"{"stats": [{"name": "wasmcustom.sidegate.bundle.serial", "value": 7},
            {"name": "wasmcustom.sidegate.refused.candidate_blob_size", "value": 2},
            {"name": "wasmcustom.sidegate.decisions.denied", "value": 0},
            {"name": "server.live", "value": 1}, {"histograms": {}}]}"#;
        let text = "server.live: 1\nwasmcustom.sidegate.bundle.serial: 7\nwasmcustom.sidegate.decisions.denied: 0\n\
            wasmcustom.sidegate.refused.candidate_blob_size: 2\nwasmcustom.sidegate.evaluation_us: P0(nan,1)\n";
        let plain = "# TYPE sidegate_bundle_serial gauge\nsidegate_bundle_serial{} 7\n\
            sidegate_refused_candidate_blob_size{} 2\nsidegate_decisions_denied{} 0\nenvoy_server_live{} 1\n";
        let labels = "sidegate_bundle_serial{pod=\"a\"} 7\nsidegate_decisions{sidegate_outcome=\"denied\"} 0\n\
            sidegate_refused{sidegate_code=\"candidate_blob_size\"} 2\nsidegate_decisions{sidegate_outcome=\"x\"} 1\n";
        let read = [json, text, plain, labels].map(|text| Figures::read(text.as_bytes()));
        let expected = [("bundle.serial", 7), ("decisions.denied", 0), ("refused.candidate_blob_size", 2)];
        for figures in read {
            assert_eq!(figures.0.len(), expected.len(), "{figures:?}");
            for (name, value) in expected {
                assert_eq!(figures.get(name), Some(value), "{figures:?}");
            }
            assert_eq!(figures.family("refused"), [("candidate_blob_size".to_owned(), 2)].into());
            assert!(figures.family("decisions").is_empty());
        }
        assert!(Figures::read(b"<html>").is_empty());
    }
}
