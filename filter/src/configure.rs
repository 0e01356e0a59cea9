//! From the plugin's configuration to what decides.

use std::cell::RefCell;
use std::rc::Rc;

use sidegate_engine::bundle::BundleError;
use sidegate_engine::config::{
    Config, ConfigError, DecisionLog, Entrypoints, LogLevel, LogSink, Mode, Sources,
};
use sidegate_engine::decide::Settings;
use sidegate_engine::log::{self, Buffer};
use sidegate_engine::policy::Policies;
use sidegate_engine::refresh::Opener;

use crate::attributes;
use crate::chance;
use crate::contexts;
use crate::host::{self, Level};
use crate::loaded::{Fixed, Loaded};
use crate::log::Logger;
use crate::metrics;
use crate::policy::{self, Gates};
use crate::refresh::Refresh;
use crate::send::{self, Post};

/// Why a configuration is refused, for the log.
struct Refused {
    code: &'static str,
    message: String,
}

/// A configuration that was accepted.
struct Accepted {
    loaded: Loaded,
    refresh: Option<Box<Refresh>>,
    post: Option<Box<Post>>,
    report: String,
}

/// Reads the configuration of a root context and puts it in place whole. False refuses it: Envoy then
/// does not start, or keeps the configuration that it has.
pub(crate) fn on_configure(root: u32) -> bool {
    match load(contexts::buffer(root)) {
        Ok(Accepted { loaded, refresh, post, report }) => {
            let periods =
                [refresh.as_ref().map(|refresh| refresh.tick_ms()), post.as_ref().map(|_| send::TICK_MS)];
            let period = periods.into_iter().flatten().min().unwrap_or(0);
            if let Err(status) = host::set_tick_period(period) {
                return refused(&Refused { code: "host_tick", message: format!("no ticks: {status}") });
            }
            if contexts::configure(root, Rc::new(loaded), refresh, post) {
                host::log(Level::Info, &report);
                return true;
            }
            refused(&Refused { code: "internal", message: "no such root context".to_owned() })
        }
        Err(why) => refused(&why),
    }
}

fn refused(why: &Refused) -> bool {
    let Refused { code, message } = why;
    host::log(Level::Error, &format!("sidegate: configuration refused: {message} [{code}]"));
    false
}

fn load(buffer: Rc<RefCell<Buffer>>) -> Result<Accepted, Refused> {
    // Taken now, when the proxy's main thread tries a configuration before any worker has it: what is not there yet can
    // be made by one alone.
    chance::vm();
    let json = host::plugin_configuration().map_err(|status| Refused {
        code: "host_configuration",
        message: format!("it cannot be read: {status}"),
    })?;
    let config = Config::parse(&json)?;
    drop(json);
    let Config {
        entrypoints,
        mode,
        on_error_status,
        limits,
        allow_lowering,
        is_guarded,
        waives_undeclared,
        trust_domain_aliases,
        trust,
        decision_log,
        bundle,
    } = config;
    let Sources { inline, http } = bundle;
    let workload = attributes::workload();
    let settings =
        Settings { error_status: on_error_status, limits, lets_lower: allow_lowering, waives_undeclared };
    let opener = Opener { trust, workload, entrypoints, limits };
    // Where nothing is decided, there is nothing to fetch for.
    let http = http.filter(|_| mode != Mode::Off);
    let node = attributes::node_id();
    let post = Post::new(&decision_log, &format!("{:?}", opener.workload), &buffer).map(Box::new);
    if post.is_some() {
        send::check().map_err(|message| Refused { code: "host_compress", message })?;
    }
    let labels = log::labels(&node, env!("CARGO_PKG_VERSION"), &opener.workload);
    let logged = describe(&decision_log);
    let fixed = Fixed {
        mode,
        is_guarded,
        settings,
        workload: opener.workload.clone(),
        aliases: trust_domain_aliases,
        first_wait: http.as_ref().map_or(0, |http| http.first_wait),
        log: Logger::new(decision_log, labels, opener.entrypoints.clone(), buffer),
    };
    let mut loaded = Loaded::new(fixed);
    let mut sources = Vec::new();
    if let Some(inline) = inline {
        let gates = Gates::new(open(&inline, &opener)?, &loaded.fixed);
        sources.push(policy::describe(&gates));
        loaded.gate = Some(Rc::new(gates));
    }
    metrics::define();
    metrics::record_mode(mode);
    let asked = asked(&opener.entrypoints);
    let refresh = match http {
        None => None,
        Some(http) => {
            let location = http.locate(&opener.workload)?;
            sources.push(format!("what `{}` serves at `{}`", http.cluster, location.path));
            let mut refresh = Refresh::new(http, location, opener, allow_lowering, loaded);
            loaded = refresh.begin();
            Some(Box::new(refresh))
        }
    };
    let report = format!(
        "sidegate {}: {} {asked} of {}, limits: {} steps, {} deep, {} bytes out; {logged}",
        env!("CARGO_PKG_VERSION"),
        mode.as_str(),
        sources.join("; then of "),
        limits.steps,
        limits.depth,
        limits.output_bytes,
    );
    Ok(Accepted { loaded, refresh, post, report })
}

/// Which decisions are logged, for the log.
fn describe(DecisionLog { level, sink, rate, id_header: _ }: &DecisionLog) -> String {
    let to = match sink {
        LogSink::Log => "here".to_owned(),
        LogSink::Http { cluster, path } => format!("to `{cluster}` at `{path}`"),
    };
    match level {
        LogLevel::Off => "logs no decisions".to_owned(),
        level => format!("logs decisions ({}) {to}, at most {rate} a second", level.as_str()),
    }
}

/// Opens the inline bundle, if it is one that the configuration trusts.
fn open(inline: &[u8], opener: &Opener) -> Result<Policies, BundleError> {
    let Opener { trust, workload, entrypoints, limits } = opener;
    let bundle = trust.bundle(inline, limits, workload)?;
    Policies::load(bundle, entrypoints, *limits)
}

/// What is asked, for the log.
fn asked(entrypoints: &Entrypoints) -> String {
    let Entrypoints { request, response, connection } = entrypoints;
    let mut asked = format!("`{request}`");
    for (of, path) in [("responses", response), ("connections", connection)] {
        if let Some(path) = path {
            asked.push_str(&format!(", for {of} `{path}`,"));
        }
    }
    asked
}

impl From<ConfigError> for Refused {
    fn from(error: ConfigError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<BundleError> for Refused {
    fn from(error: BundleError) -> Self {
        Self { code: error.code(), message: format!("`bundle.inline`: {error}") }
    }
}
