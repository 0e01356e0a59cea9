//! Declarations as files, requests as OPA's Envoy plugin hands them over.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::beside;
use super::model::{Caller, Condition, Declaration, Request, Rule, Target};

impl Request {
    /// The request as OPA's Envoy plugin hands it over.
    #[allow(dead_code, reason = "not every test asks with documents")]
    pub(crate) fn input(&self) -> Json {
        let Self { principal, uris, own, method, path, host, port, headers, claims, address } = self;
        let (mut source, mut destination, mut http) = (json!({}), json!({}), json!({}));
        if let Some(principal) = principal {
            source["principal"] = json!(principal);
        }
        if let Some(address) = address {
            source["address"] = json!({"socketAddress": {"address": address, "portValue": 40000}});
        }
        if let Some(own) = own {
            destination["principal"] = json!(own);
        }
        if let Some(port) = port {
            destination["address"] = json!({"socketAddress": {"address": "10.0.0.9", "portValue": port}});
        }
        let mut all = json!(headers);
        for (key, header, value) in
            [("method", ":method", method), ("path", ":path", path), ("host", ":authority", host)]
        {
            if let Some(value) = value {
                http[key] = json!(value);
                all[header] = json!(value);
            }
        }
        all[":scheme"] = json!("https");
        http["headers"] = all;
        let mut input =
            json!({"attributes": {"source": source, "destination": destination, "request": {"http": http}}});
        if let Some(claims) = claims {
            input["attributes"]["metadataContext"] =
                json!({"filterMetadata": {"envoy.filters.http.jwt_authn": {"payload": claims}}});
        }
        if let Some(uris) = uris {
            input["sidegate"] = json!({"source": {"uri_sans": uris}});
        }
        input
    }
}

impl Declaration {
    /// The file, as a person could write it.
    pub(crate) fn yaml(&self) -> String {
        let mut text = format!(
            "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {{name: {}, namespace: pay}}\n\
             spec:\n  owner: team\n  mode: {}\n",
            self.name,
            if self.is_shadow { "shadow" } else { "enforce" }
        );
        for (key, rules) in [("allow", &self.allow), ("deny", &self.deny)] {
            if !rules.is_empty() {
                let rules: Vec<Json> = rules.iter().map(Rule::json).collect();
                writeln!(text, "  {key}: {}", json!(rules)).unwrap();
            }
        }
        let side = |side: usize| {
            let mut json = json!({});
            if !self.set[side].is_empty() {
                json["set"] =
                    self.set[side].iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            }
            if !self.remove[side].is_empty() {
                json["remove"] = json!(self.remove[side]);
            }
            json
        };
        writeln!(text, "  headers: {}", json!({"request": side(0), "response": side(1)})).unwrap();
        text
    }

    /// `mesh.yaml`.
    fn mesh(&self) -> String {
        let mut spec = json!({"owner": "platform"});
        if !self.aliases.is_empty() {
            spec["trustDomainAliases"] = json!(self.aliases);
        }
        if !self.base.is_empty() {
            spec["deny"] = self.base.iter().map(Rule::json).collect();
        }
        if self.may_widen {
            spec["rego"] = json!({"widen": [format!("pay/{}", self.name)]});
        }
        json!({"apiVersion": "sidegate.io/v1alpha1", "kind": "MeshPolicy", "spec": spec}).to_string()
    }

    /// All files, by their paths in a folder.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let name = &self.name;
        let mut files =
            vec![(format!("services/pay/{name}.yaml"), self.yaml()), ("mesh.yaml".to_owned(), self.mesh())];
        files.extend(
            self.rego.iter().map(|rego| (format!("services/pay/{name}/policy.rego"), rego.text(name))),
        );
        files.extend(self.has_base_rego.then(|| ("mesh/policy.rego".to_owned(), beside::MESH.to_owned())));
        files
    }

    /// The files, to be read by a person.
    pub(crate) fn shown(&self) -> String {
        let files = self.files();
        files.iter().map(|(path, text)| format!("# {path}\n{text}\n")).collect()
    }
}

impl Rule {
    fn json(&self) -> Json {
        let mut json = json!({});
        if let Some(from) = &self.from {
            json["from"] = from.iter().map(Caller::json).collect();
        }
        if !self.to.is_empty() {
            json["to"] = self.to.iter().map(Target::json).collect();
        }
        if !self.when.is_empty() {
            json["when"] = self.when.iter().map(Condition::json).collect();
        }
        json
    }
}

impl Caller {
    fn json(&self) -> Json {
        let (mut json, domain) = match self {
            Self::Account(domain, namespace, account) => {
                (json!({"serviceAccount": format!("{namespace}/{account}")}), domain.clone())
            }
            Self::Namespace(domain, namespace) => (json!({"namespace": namespace}), domain.clone()),
            Self::TrustDomain(domain) => (json!({}), Some(domain.clone())),
            Self::Principal(name) => (json!({"principal": name}), None),
            Self::Authenticated => (json!({"authenticated": true}), None),
            Self::Anonymous => (json!({"anonymous": true}), None),
        };
        if let Some(domain) = domain {
            json["trustDomain"] = json!(domain);
        }
        json
    }
}

impl Target {
    fn json(&self) -> Json {
        let Self { methods, paths, grpc, hosts, ports } = self;
        let mut json = json!({});
        for (key, texts) in [("methods", methods), ("paths", paths), ("grpc", grpc), ("hosts", hosts)] {
            if !texts.is_empty() {
                json[key] = json!(texts);
            }
        }
        if !ports.is_empty() {
            json["ports"] = json!(ports);
        }
        json
    }
}

impl Condition {
    fn json(&self) -> Json {
        match self {
            Self::Exact(name, text) => json!({"header": name, "exact": text}),
            Self::Prefix(name, text) => json!({"header": name, "prefix": text}),
            Self::Present(name) => json!({"header": name, "present": true}),
            Self::Absent(name) => json!({"header": name, "absent": true}),
            Self::Claim(path, values) => match (path.as_slice(), values.as_slice()) {
                ([key], [value]) => json!({"claim": key, "exact": value}),
                _ => json!({"claim": path, "in": values}),
            },
            Self::Source(networks) => json!({"source": networks}),
        }
    }
}
