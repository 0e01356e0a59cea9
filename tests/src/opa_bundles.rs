//! OPA as the judge of bundles and their signatures: the program in `tests/opa/bundles`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

/// A key as OPA is given it.
#[derive(Clone, Debug)]
pub struct Key {
    /// PEM, or the secret.
    pub text: String,
    /// Its algorithm.
    pub algorithm: String,
    /// What signatures name it by.
    pub id: String,
    /// The scope of what it signs.
    pub scope: String,
}

/// The running program; dropping it ends it.
pub struct Opa {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    bundle: Option<String>,
    #[serde(default)]
    values: Vec<Value>,
}

impl Opa {
    /// Builds and starts it.
    ///
    /// # Errors
    /// There is no Go, or the program does not start.
    pub fn start() -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("opa/bundles");
        let mut child = Command::new("go")
            .args(["run", ".", "serve"])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("expected go 1.26 to ask OPA with, got {e}; run: apt-get install golang"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("expected pipes to OPA, got none".to_owned());
        };
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    /// The bundle, signed as `opa sign` does it.
    ///
    /// # Errors
    /// OPA cannot sign it.
    pub fn sign(&mut self, bundle: &[u8], key: &Key) -> Result<Vec<u8>, String> {
        let Answer { error, bundle, .. } = self.ask("sign", bundle, Some(key), &json!({}))?;
        match (error, bundle) {
            (None, Some(bundle)) => BASE64_STANDARD.decode(bundle).map_err(|e| e.to_string()),
            (error, _) => Err(error.unwrap_or_else(|| "no bundle".to_owned())),
        }
    }

    /// Loads the bundle as `opa run --bundle` does, and asks it for `query` (nothing, where it is empty).
    /// What OPA says against the bundle is the inner error.
    ///
    /// # Errors
    /// OPA does not answer.
    pub fn load(
        &mut self,
        bundle: &[u8],
        key: Option<&Key>,
        query: &str,
        inputs: &[Value],
    ) -> Result<Result<Vec<Value>, String>, String> {
        let more = json!({ "query": query, "inputs": inputs });
        let Answer { error, values, .. } = self.ask("load", bundle, key, &more)?;
        Ok(error.map_or(Ok(values), Err))
    }

    fn ask(&mut self, what: &str, bundle: &[u8], key: Option<&Key>, more: &Value) -> Result<Answer, String> {
        let mut question = more.clone();
        let mut set = |name: &str, value: &str| {
            if let Some(fields) = question.as_object_mut() {
                fields.insert(name.to_owned(), json!(value));
            }
        };
        set("do", what);
        set("bundle", &BASE64_STANDARD.encode(bundle));
        if let Some(Key { text, algorithm, id, scope }) = key {
            set("key", text);
            set("algorithm", algorithm);
            set("key_id", id);
            set("scope", scope);
        }
        let failed = |e: std::io::Error| format!("expected an answer of OPA, got {e}");
        writeln!(self.input, "{question}").map_err(failed)?;
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(failed)?;
        serde_json::from_str(&line).map_err(|e| format!("expected an answer of OPA, got `{line}`: {e}"))
    }
}

impl Drop for Opa {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
