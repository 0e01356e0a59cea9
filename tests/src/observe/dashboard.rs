//! The shipped dashboard and alerts, as queries.

use std::fs;

use serde_json::Value;

use crate::places;

/// The dashboard.
pub struct Dashboard {
    /// Its panels, in order.
    pub panels: Vec<Panel>,
}

/// One of its panels.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Its title.
    pub title: String,
    /// `timeseries` or `stat`.
    pub kind: String,
    /// Grafana's name of the unit.
    pub unit: String,
    /// What is shown.
    pub targets: Vec<Target>,
    /// From which value on which colour is used; the first has none.
    pub steps: Vec<(Option<f64>, String)>,
    /// Left, top, width and height, in Grafana's grid of 24 columns.
    pub place: (u32, u32, u32, u32),
}

/// One query of a panel.
#[derive(Clone, Debug)]
pub struct Target {
    /// The query, with Grafana's variables.
    pub expr: String,
    /// What its series are called, with labels in `{{…}}`.
    pub legend: String,
}

impl Dashboard {
    /// Reads `envoy-config/observability/grafana-dashboard.json`.
    ///
    /// # Panics
    /// It is not a dashboard.
    pub fn shipped() -> Self {
        let file = places::root().join("envoy-config/observability/grafana-dashboard.json");
        let text = fs::read_to_string(file).expect("the shipped dashboard");
        let json: Value = serde_json::from_str(&text).expect("a dashboard in JSON");
        let panels = json["panels"].as_array().expect("panels").iter().map(Panel::read).collect();
        Self { panels }
    }
}

impl Panel {
    fn read(json: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("text in {json}")).to_owned();
        let place = |key: &str| {
            let number = json["gridPos"][key].as_u64().and_then(|number| u32::try_from(number).ok());
            number.expect("a place in the grid")
        };
        let target = |json: &Value| Target { expr: text(&json["expr"]), legend: text(&json["legendFormat"]) };
        Self {
            title: text(&json["title"]),
            kind: text(&json["type"]),
            unit: text(&json["fieldConfig"]["defaults"]["unit"]),
            targets: json["targets"].as_array().expect("targets").iter().map(target).collect(),
            steps: json["fieldConfig"]["defaults"]["thresholds"]["steps"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|step| (step["value"].as_f64(), text(&step["color"])))
                .collect(),
            place: (place("x"), place("y"), place("w"), place("h")),
        }
    }
}

impl Target {
    /// The query as Grafana sends it, for all workloads, with rates over `interval`.
    pub fn query(&self, interval: &str) -> String {
        let query = self.expr.replace("$__rate_interval", interval);
        let query = query.replace("$namespace", ".*").replace("$workload", ".*");
        assert!(!query.contains('$'), "a variable that is not known: {query}");
        query
    }

    /// What a series of these labels is called.
    pub fn name(&self, labels: &serde_json::Map<String, Value>) -> String {
        let mut name = self.legend.clone();
        for (label, value) in labels {
            name = name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap_or_default());
        }
        name
    }
}

/// The shipped alerts: name, query and where the runbook is.
///
/// # Panics
/// The file is not one of alerts.
pub fn alerts() -> Vec<(String, String, String)> {
    let file = places::root().join("envoy-config/observability/alerts.yaml");
    let text = fs::read_to_string(file).expect("the shipped alerts");
    let yaml: Value = serde_yaml_ng::from_str(&text).expect("alerts in YAML");
    let rules = yaml["groups"].as_array().expect("groups").iter().flat_map(|group| group["rules"].as_array());
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    rules
        .flatten()
        .map(|rule| (text(&rule["alert"]), text(&rule["expr"]), text(&rule["annotations"]["runbook"])))
        .collect()
}
