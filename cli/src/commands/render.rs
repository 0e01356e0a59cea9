//! `sidegate render KIND VALUES.yaml`

use std::io::Write;
use std::path::{Path, PathBuf};

use sidegate_compiler::render::{Asked, Given, Kind, render};

use crate::output::{Answer, Failure, read};

/// Write the configuration that brings the filter to proxies.
///
/// A file of values says what is wanted; envoy-config/istio/README.md has an example of each. What the proxy would refuse,
/// and what Istio would pass over in silence, is refused here.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to write.
    #[arg(value_enum)]
    kind: What,
    /// File of values.
    #[arg(value_name = "VALUES.yaml")]
    values: PathBuf,
    /// Where to write it, instead of to the output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The built filter: its hash becomes `module.sha256`.
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// A bundle for the configuration itself (`bundle.inline`).
    #[arg(short, long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Written,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// For Istio: all that the filter can be set to.
    #[value(name = "envoyfilter")]
    EnvoyFilter,
    /// For Istio: no bodies, no connections.
    #[value(name = "wasmplugin")]
    WasmPlugin,
    /// The same for Istio 1.30 and later.
    #[value(name = "trafficextension")]
    TrafficExtension,
    /// What serves bundles in the mesh, or makes a host outside known.
    Bundles,
    /// For an Envoy without a control plane.
    Envoy,
}

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Written {
    /// YAML for people and kubectl.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let Args { kind, values, output, wasm, bundle, format } = args;
    let shown = |path: &Path| path.display().to_string();
    let file = shown(values);
    let text = String::from_utf8(read(values)?)
        .map_err(|_| Failure::other(format!("expected UTF-8 in `{file}`")))?;
    let (wasm_name, wasm_bytes) = given(wasm.as_deref())?;
    let (bundle_name, bundle_bytes) = match bundle {
        // What is no bundle is told as everywhere.
        Some(path) => (shown(path), Some(super::open(path)?.0)),
        None => (String::new(), None),
    };
    let kind = match kind {
        What::EnvoyFilter => Kind::EnvoyFilter,
        What::WasmPlugin => Kind::WasmPlugin,
        What::TrafficExtension => Kind::TrafficExtension,
        What::Bundles => Kind::Bundles,
        What::Envoy => Kind::Envoy,
    };
    let rendered = render(&Asked {
        kind,
        file: &file,
        text: &text,
        wasm: wasm_bytes.as_deref().map(|bytes| Given { name: &wasm_name, bytes }),
        bundle: bundle_bytes.as_deref().map(|bytes| Given { name: &bundle_name, bytes }),
    })
    .map_err(Failure::Findings)?;
    for warning in &rendered.warnings {
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
    let text = match format {
        Written::Text => {
            rendered.yaml(&format!("Made by `{}`; change the values, not this.", command(args, &file)))
        }
        Written::Json => rendered.json(),
    };
    match output {
        None => out.write_all(text.as_bytes())?,
        Some(path) => {
            std::fs::write(path, text).map_err(|error| {
                Failure::other(format!("expected to write `{}`: {error}", path.display()))
            })?;
            writeln!(out, "{}: written", path.display())?;
        }
    }
    Ok(Answer::Yes)
}

fn given(path: Option<&Path>) -> Result<(String, Option<Vec<u8>>), Failure> {
    let Some(path) = path else { return Ok((String::new(), None)) };
    Ok((path.display().to_string(), Some(read(path)?)))
}

/// The command that makes it.
fn command(args: &Args, file: &str) -> String {
    let kind = clap::ValueEnum::to_possible_value(&args.kind);
    let mut command = format!("sidegate render {} {file}", kind.as_ref().map_or("", |kind| kind.get_name()));
    for (option, path) in [("--wasm", &args.wasm), ("--bundle", &args.bundle)] {
        if let Some(path) = path {
            command.push_str(&format!(" {option} {}", path.display()));
        }
    }
    command
}
