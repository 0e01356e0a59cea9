//! `sidegate import authorization-policy FILE… -o DIR`

mod text;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sidegate_compiler::Sources;
use sidegate_compiler::import::{Imported, KnownService, Labels, Options, Status, import};

use crate::output::{Answer, Failure, Format, json, read};

/// Make declarations of what another system says.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(clap::Subcommand)]
enum From {
    AuthorizationPolicy(Box<PolicyArgs>),
}

/// Make declarations of Istio's AuthorizationPolicies.
///
/// What cannot be said exactly is refused, and never said wider: see docs/import.md.
#[derive(clap::Args)]
pub(crate) struct PolicyArgs {
    /// Manifests: AuthorizationPolicies, and the Services and Deployments that they are about.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Folder for `services/<namespace>/<service>.yaml`.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Write over declarations that are there.
    #[arg(long)]
    force: bool,
    /// Which service pods with these labels are; may be given several times.
    #[arg(long, value_name = "KEY=VALUE:NAMESPACE/NAME", value_parser = Labels::parse)]
    service: Vec<Labels>,
    /// The label that has the service's name on all pods, such as `app`.
    #[arg(long, value_name = "KEY")]
    label: Option<String>,
    /// The team that answers for services whose manifests have no `sidegate.io/owner`.
    #[arg(long, value_name = "TEAM", default_value = "team")]
    owner: String,
    /// Namespace of manifests that say none.
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// Istio's root namespace, whose policies hold everywhere.
    #[arg(long, value_name = "NAMESPACE", default_value = "istio-system")]
    root_namespace: String,
    /// The mesh's trust domain.
    #[arg(long, value_name = "NAME", default_value = "cluster.local")]
    trust_domain: String,
    /// Another name of it (`trustDomainAliases` in Istio's configuration); may be given several times.
    #[arg(long, value_name = "NAME")]
    trust_domain_alias: Vec<String>,
    /// Proxies take only certificates of these trust domains, in Istio's form (istiod's default).
    #[arg(long)]
    own_trust_domain_only: bool,
    /// Declare services that no ALLOW policy is about as open to everybody, as Istio has them.
    #[arg(long)]
    undeclared_open: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let From::AuthorizationPolicy(args) = &args.from;
    let mut files = Vec::new();
    for path in &args.files {
        let text = String::from_utf8(read(path)?)
            .map_err(|_| Failure::other(format!("expected UTF-8 in `{}`", path.display())))?;
        // Comments name the file as it is found in a repository, not where it lay on a machine.
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        files.push((name, text));
    }
    let there = there(&args.output, &args.trust_domain_alias)?;
    let options = Options {
        root_namespace: args.root_namespace.clone(),
        namespace: args.namespace.clone(),
        trust_domain: args.trust_domain.clone(),
        trust_domain_aliases: args.trust_domain_alias.clone(),
        own_trust_domain_only: args.own_trust_domain_only,
        undeclared_open: args.undeclared_open,
        owner: args.owner.clone(),
        services: args.service.clone(),
        known: there.services,
        label: args.label.clone(),
    };
    let mut imported = import(&files, &options).map_err(Failure::Other)?;
    let is_written = write(&mut imported, args, there.has_mesh)?;
    match args.format {
        Format::Json => json(out, &imported)?,
        Format::Text => text::print(&imported, &args.output, out)?,
    }
    Ok(if is_written && imported.is_whole() { Answer::Yes } else { Answer::No })
}

/// What is in the folder already.
#[derive(Default)]
struct There {
    services: Vec<KnownService>,
    has_mesh: bool,
}

fn there(dir: &Path, aliases: &[String]) -> Result<There, Failure> {
    let has_mesh = dir.join("mesh.yaml").exists();
    if !dir.join("services").exists() && !has_mesh {
        return Ok(There::default());
    }
    let sources = Sources::read_dir(dir).map_err(Failure::Findings)?;
    let Some(mesh) = sources.declared else { return Ok(There { services: Vec::new(), has_mesh }) };
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    if has_mesh && sorted(&mesh.trust_domain_aliases) != sorted(aliases) {
        return Err(Failure::other(format!(
            "expected the aliases of `{}/mesh.yaml`, {}, by `--trust-domain-alias`, got {}: \
             Istio and Sidegate have to take the same trust domains for one",
            dir.display(),
            text::names(&mesh.trust_domain_aliases),
            text::names(aliases),
        )));
    }
    let known = |service: &sidegate_compiler::declare::ServicePolicy| KnownService {
        namespace: service.namespace.clone(),
        name: service.name.clone(),
        workloads: service.workloads.clone(),
    };
    Ok(There { services: mesh.services.iter().map(known).collect(), has_mesh })
}

/// Writes the declarations. Those that are there already are left as they are, and said to be refused.
fn write(imported: &mut Imported, args: &PolicyArgs, has_mesh: bool) -> Result<bool, Failure> {
    let wrong = |path: &Path, error: std::io::Error| {
        Failure::other(format!("expected to write `{}`: {error}", path.display()))
    };
    let mut is_whole = true;
    for service in &mut imported.services {
        let path = args.output.join(format!("services/{}/{}.yaml", service.namespace, service.name));
        let (file, text) = match &mut service.status {
            Status::Written { file, text, .. } => (file, text),
            Status::Refused { reason } if path.exists() => {
                reason.push_str("; the declaration that is there is left as it is, so look at it");
                continue;
            }
            Status::Refused { .. } => continue,
        };
        if path.exists() && !args.force {
            let reason = format!("`{file}` is there already, and is left as it is; `--force` writes over it");
            service.status = Status::Refused { reason };
            is_whole = false;
            continue;
        }
        let folder = path.parent().unwrap_or(&args.output);
        fs::create_dir_all(folder).map_err(|error| wrong(folder, error))?;
        fs::write(&path, &*text).map_err(|error| wrong(&path, error))?;
    }
    let is_any = imported.services.iter().any(|service| matches!(service.status, Status::Written { .. }));
    if is_any && !has_mesh && !args.trust_domain_alias.is_empty() {
        let path = args.output.join("mesh.yaml");
        let text = text::mesh(&args.trust_domain_alias);
        fs::write(&path, &*text).map_err(|error| wrong(&path, error))?;
    }
    Ok(is_whole)
}
