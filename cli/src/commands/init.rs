//! `sidegate init NAMESPACE/SERVICE`

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use sidegate_compiler::declare::Mesh;

use crate::output::{Answer, Failure};

/// Write a declaration to start from: `services/NAMESPACE/SERVICE.yaml`, with comments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service.
    #[arg(value_name = "NAMESPACE/SERVICE")]
    service: String,
    /// Folder with `services/`.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The team that answers for the service.
    #[arg(long, value_name = "TEAM", default_value = "team")]
    owner: String,
}

/// With `NAMESPACE`, `SERVICE` and `OWNER` in the places of the service's own.
const STARTER: &str = include_str!("init.yaml");

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let Args { service, dir, owner } = args;
    let Some((namespace, name)) = service.split_once('/') else {
        return Err(Failure::other(format!("expected NAMESPACE/SERVICE, got `{service}`")));
    };
    if [namespace, name].iter().any(|part| part.is_empty() || part.contains(['/', '\\', '.'])) {
        return Err(Failure::other(format!("expected NAMESPACE/SERVICE, got `{service}`")));
    }
    let text = STARTER.replace("NAMESPACE", namespace).replace("SERVICE", name).replace("OWNER", owner);
    let folder = dir.join("services").join(namespace);
    let path = folder.join(format!("{name}.yaml"));
    let shown = path.display().to_string();
    // What is not a name is not a file either.
    Mesh::read_one(&shown, &text, namespace, name).map_err(|findings| {
        let finding = findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
        Failure::other(format!("`{service}` or `{owner}` is no name: {finding}"))
    })?;
    let wrong = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::other(format!("`{shown}` is there already, and is left as it is"))
        }
        _ => Failure::other(format!("expected to write `{shown}`: {error}")),
    };
    fs::create_dir_all(&folder).map_err(wrong)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(wrong)?;
    file.write_all(text.as_bytes()).map_err(wrong)?;
    writeln!(out, "{shown}: written; next: edit it, then `sidegate check {}`", dir.display())?;
    Ok(Answer::Yes)
}
