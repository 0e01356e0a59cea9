//! The network team's folder: policies, a key, a published tree, and the program `sidegate` run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::KeyPair;
use serde_json::{Value, json};
use sidegate_compiler::signing::KeySigner;

use crate::places;

/// The key's name; the key itself is `net.key.pem`, its public half `net.pub.pem`.
pub const KEY_ID: &str = "net-2026";

/// The folder.
pub struct Desk {
    dir: PathBuf,
    program: PathBuf,
}

/// What a run of the program has said.
pub struct Ran {
    /// Whether it exited with 0.
    pub is_success: bool,
    /// What it printed, errors last.
    pub text: String,
}

impl Desk {
    /// A new folder at `dir`, with a copy of `policies` in it.
    ///
    /// # Errors
    /// Files cannot be written, or the program is not there.
    pub fn new(dir: PathBuf, policies: &Path) -> Result<Self, String> {
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(|e| format!("could not remove {}: {e}", dir.display()))?;
        }
        copy(policies, &dir.join("policies"))?;
        let beside = std::env::current_exe().map_err(|e| e.to_string())?.with_file_name("sidegate");
        let program = places::existing(beside, "the program `sidegate`", "cargo build -p sidegate")?;
        let desk = Self { dir, program };
        let key = KeyPair::generate().map_err(|e| e.to_string())?;
        desk.write("net.key.pem", &key.serialize_pem())?;
        desk.write("net.pub.pem", &key.public_key_pem())?;
        Ok(desk)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The key as `verify.keys` has it.
    ///
    /// # Errors
    /// Somebody took it away.
    pub fn key(&self) -> Result<Value, String> {
        let pem = fs::read(self.dir.join("net.key.pem")).map_err(|e| e.to_string())?;
        let signer = KeySigner::new(&pem, KEY_ID, None).map_err(|e| e.to_string())?;
        Ok(json!([{"id": KEY_ID, "algorithm": "ES256", "key": signer.public_key()}]))
    }

    /// Runs the program in the folder; `line` has its arguments, none of them with a space.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn sidegate(&self, line: &str) -> Result<Ran, String> {
        let ran = Command::new(&self.program).args(line.split(' ')).current_dir(&self.dir).output();
        let output = ran.map_err(|e| format!("could not run `sidegate`: {e}"))?;
        let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        Ok(Ran { is_success: output.status.success(), text: format!("{out}{err}") })
    }

    /// A file of the published tree.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.dir.join("tree").join(path.trim_start_matches('/'));
        fs::read(&path).map_err(|e| format!("could not read {}: {e}", path.display()))
    }

    /// Writes a file of the folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<(), String> {
        let path = self.dir.join(path);
        fs::write(&path, text).map_err(|e| format!("could not write {}: {e}", path.display()))
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let at = |e: std::io::Error| format!("could not copy {}: {e}", from.display());
    fs::create_dir_all(to).map_err(at)?;
    for entry in fs::read_dir(from).map_err(at)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).map_err(at)?;
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name)).map_err(at)?;
        }
    }
    Ok(())
}
