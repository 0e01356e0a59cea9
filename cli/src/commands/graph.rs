//! `sidegate graph DIR`

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sidegate_compiler::Sources;
use sidegate_compiler::graph::{Graph, Selection, View, dot, html, svg, text};

use crate::output::{Answer, Failure, json};

/// Show who may call whom, as the declarations of a folder say.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with `services/<namespace>/<service>.yaml`.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Where to write; its ending, `.svg`, `.html`, `.dot`, `.json` or `.txt`, says what. `-` is the output.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// What to write, whatever the ending.
    #[arg(long, value_enum)]
    format: Option<GraphFormat>,
    /// Only services of this namespace, who may call them, and whom they may call. May be said again.
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Vec<String>,
    /// Only this service, who may call it, and whom it may call. May be said again.
    #[arg(long, value_name = "NAMESPACE/SERVICE", value_parser = service)]
    service: Vec<(String, String)>,
    /// Draw no services, but namespaces alone.
    #[arg(long, value_enum)]
    collapse: Option<Collapse>,
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum GraphFormat {
    /// A list, for the terminal.
    Text,
    /// A picture.
    Svg,
    /// A page to search in.
    Html,
    /// Graphviz's language.
    Dot,
    /// The graph itself, as one JSON document.
    Json,
}

/// What to draw as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Collapse {
    /// All services of a namespace.
    Namespaces,
}

fn service(text: &str) -> Result<(String, String), String> {
    let (namespace, name) = text.split_once('/').ok_or("expected NAMESPACE/SERVICE")?;
    Ok((namespace.to_owned(), name.to_owned()))
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let Args { dir, output, format, namespace, service, collapse } = args;
    let is_output = output.as_os_str() == "-";
    let format = match format {
        Some(format) => *format,
        None if is_output => GraphFormat::Text,
        None => by_ending(output)?,
    };
    let sources = Sources::read_dir(dir).map_err(Failure::Findings)?;
    let Some(mesh) = &sources.declared else {
        let message = "expected declarations at `services/<namespace>/<service>.yaml`, got none";
        return Err(Failure::other(format!("`{}`: {message}", dir.display())));
    };
    let selection = Selection { namespaces: namespace.clone(), services: service.clone() };
    let graph = Graph::of(mesh).select(&selection).map_err(|error| Failure::other(error.to_string()))?;
    let view = collapse.map_or_else(|| View::of(&graph), |Collapse::Namespaces| View::Namespaces);
    let mut written = Vec::new();
    match format {
        GraphFormat::Json => json(&mut written, &graph.document())?,
        GraphFormat::Text => written.extend(text(&graph).into_bytes()),
        GraphFormat::Svg => written.extend(svg(&graph, view).into_bytes()),
        GraphFormat::Html => written.extend(html(&graph, view).into_bytes()),
        GraphFormat::Dot => written.extend(dot(&graph).into_bytes()),
    }
    if is_output {
        out.write_all(&written)?;
    } else {
        let shown = output.display();
        fs::write(output, &written)
            .map_err(|error| Failure::other(format!("expected to write `{shown}`: {error}")))?;
        writeln!(out, "{shown}: written, {}", graph.summary())?;
    }
    Ok(Answer::Yes)
}

fn by_ending(path: &Path) -> Result<GraphFormat, Failure> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => Ok(GraphFormat::Svg),
        Some("html" | "htm") => Ok(GraphFormat::Html),
        Some("dot" | "gv") => Ok(GraphFormat::Dot),
        Some("json") => Ok(GraphFormat::Json),
        Some("txt") => Ok(GraphFormat::Text),
        _ => Err(Failure::other(format!(
            "expected a file that ends in `.svg`, `.html`, `.dot`, `.json` or `.txt`, or `--format`; got `{}`",
            path.display()
        ))),
    }
}
