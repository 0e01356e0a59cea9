//! The policies: a Rego file each, data beside it where it needs some, and words for requests.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};
use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::Value;

/// One policy. Its package is `differential.<name>`, its data, if any, is an object with one key,
/// `<name>_data`: one OPA serves all of them.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The file's name without its ending.
    pub name: String,
    /// The Rego.
    pub rego: String,
    /// The data document.
    pub data: Json,
    /// The rule that decides: `# entrypoint: NAME` in the file, else `allow`.
    pub rule: String,
}

impl Policy {
    /// Reads every policy of a folder, sorted by name.
    ///
    /// # Errors
    /// A file cannot be read, or its package is another one.
    pub fn read_dir(dir: &Path) -> Result<Vec<Self>, String> {
        let unreadable = |path: &Path, e: std::io::Error| format!("could not read {}: {e}", path.display());
        let mut paths: Vec<_> =
            fs::read_dir(dir).map_err(|e| unreadable(dir, e))?.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "rego"));
        paths.sort();
        let read = |path: &Path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let rego = fs::read_to_string(path).map_err(|e| unreadable(path, e))?;
            if !rego.lines().any(|line| line == format!("package differential.{name}")) {
                return Err(format!("expected `package differential.{name}` in {}", path.display()));
            }
            let beside = path.with_extension("json");
            let data = if beside.is_file() {
                let text = fs::read_to_string(&beside).map_err(|e| unreadable(&beside, e))?;
                serde_json::from_str(&text)
                    .map_err(|e| format!("expected JSON in {}: {e}", beside.display()))?
            } else {
                json!({})
            };
            let rule = rego.lines().find_map(|line| line.strip_prefix("# entrypoint: "));
            let rule = rule.unwrap_or("allow").to_owned();
            Ok(Self { name, rego, data, rule })
        };
        paths.iter().map(|path| read(path)).collect()
    }

    /// The document that decides.
    pub fn entrypoint(&self) -> String {
        format!("differential/{}/{}", self.name, self.rule)
    }

    /// Whether it looks at the body.
    pub fn reads_body(&self) -> bool {
        self.rego.lines().any(|line| line == "# reads the body")
    }

    /// Whether Envoy's `jwt_authn` verifies tokens before it.
    pub fn reads_jwt_metadata(&self) -> bool {
        self.rego.lines().any(|line| line == "# behind jwt_authn")
    }

    /// The bundle for the filter.
    ///
    /// # Errors
    /// The build refuses the policy; the text has the diagnostics.
    pub fn bundle(&self) -> Result<Vec<u8>, String> {
        let modules = vec![(format!("{}.rego", self.name), self.rego.clone())];
        let sources = Sources::from_parts(modules, Value::from(self.data.clone()));
        let options = BuildOptions {
            entrypoints: vec![self.entrypoint()],
            revision: Some(self.name.clone()),
            ..BuildOptions::default()
        };
        build(&sources, &options).map(|built| built.bundle).map_err(|found| found.to_string())
    }

    /// The words that it is about: first those in `# words:` comments, separated by two blanks, then the
    /// strings in its rules and data.
    pub fn words(&self) -> [Vec<String>; 2] {
        let (mut named, mut found) = (Vec::new(), Vec::new());
        for line in self.rego.lines() {
            if let Some(words) = line.strip_prefix("# words: ") {
                named.extend(words.split("  ").map(str::to_owned));
            } else if !line.starts_with('#') {
                found.extend(quoted(line));
            }
        }
        strings(&self.data, &mut found);
        [named, found].map(|mut words: Vec<String>| {
            words.sort();
            words.dedup();
            words
        })
    }
}

/// What stands between the quotes of a line.
fn quoted(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((_, after)) = rest.split_once('"') {
        let Some((text, after)) = after.split_once('"') else { break };
        found.push(text.to_owned());
        rest = after;
    }
    found
}

fn strings(value: &Json, into: &mut Vec<String>) {
    match value {
        Json::String(text) => into.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| strings(item, into)),
        Json::Object(fields) => {
            for (key, value) in fields {
                into.push(key.clone());
                strings(value, into);
            }
        }
        _ => {}
    }
}
