//! A loaded policy.

use std::sync::Arc;

use regorus::Value;

use crate::bundle::{BundleError, VerifiedBundle};
use crate::cache::{self, Uncached};
use crate::config::Entrypoints;
use crate::eval::{Asked, Context, EvalError, Machine};
use crate::grpc::Messages;
use crate::input::Request;
use crate::input::leaves::Place;
use crate::limits::Limits;
use crate::log;
use crate::needs::Needs;
use crate::plan::{Entry, FuncId, Image};
use crate::table::Table;

/// A policy that answers for every request: from a verified bundle, or "none yet", which denies.
#[derive(Debug)]
pub struct Policy {
    loaded: Option<Loaded>,
}

/// The policies of one bundle, one for each moment at which something is decided.
#[derive(Debug)]
pub struct Policies {
    /// Asked about requests.
    pub request: Policy,
    /// Asked about responses, where the configuration says so.
    pub response: Option<Policy>,
    /// Asked about connections, where it says so.
    pub connection: Option<Policy>,
    /// Asked what is not logged of decisions, where the bundle says so.
    pub log: LogPolicies,
}

/// What a bundle says about the log of its decisions. Both are asked about the event, which is then `input`.
#[derive(Debug, Default)]
pub struct LogPolicies {
    /// `data.system.log.drop`: whether the event is not logged at all.
    pub drop: Option<Policy>,
    /// `data.system.log.mask`: what of it is not.
    pub mask: Option<Policy>,
}

#[derive(Clone, Debug)]
struct Loaded {
    image: Arc<Image>,
    /// The entry point's place in the image.
    entry: usize,
    func: FuncId,
    reads: Vec<Vec<String>>,
    limits: Limits,
    signed_by: Option<String>,
}

impl Policy {
    /// The policy that has no answer: every evaluation is [`EvalError::NoPolicy`].
    pub fn none() -> Self {
        Self { loaded: None }
    }

    /// The policy that answers at `entrypoint` (`envoy/authz/allow`).
    pub fn load(bundle: VerifiedBundle, entrypoint: &str, limits: Limits) -> Result<Self, BundleError> {
        let VerifiedBundle { image, signed_by } = bundle;
        let (entry, Entry { func, reads, .. }) = find(&image, entrypoint)?;
        if image.depth() > limits.depth {
            return Err(BundleError::Depth { limit: limits.depth, depth: image.depth() });
        }
        let image = Arc::new(image);
        Ok(Self { loaded: Some(Loaded { image, entry, func, reads, limits, signed_by }) })
    }

    /// The policy that answers at another entry point of the same bundle.
    pub fn at(&self, entrypoint: &str) -> Result<Self, BundleError> {
        let mut other = Self { loaded: self.loaded.clone() };
        other.turn_to(entrypoint)?;
        Ok(other)
    }

    /// Makes it answer at another entry point of its bundle; where there is no such, nothing changes.
    pub fn turn_to(&mut self, entrypoint: &str) -> Result<(), BundleError> {
        let Some(loaded) = &mut self.loaded else { return Ok(()) };
        let (entry, Entry { func, reads, .. }) = find(&loaded.image, entrypoint)?;
        loaded.entry = entry;
        loaded.func = func;
        loaded.reads = reads;
        Ok(())
    }

    /// The entry point at which it answers; empty where there is no policy.
    pub fn entrypoint(&self) -> &str {
        let Some(Loaded { image, entry, .. }) = &self.loaded else { return "" };
        image.entries().get(*entry).map_or("", |entry| entry.path.as_str())
    }

    /// The policy at another entry point of the same bundle, if it has that.
    fn beside(&self, entrypoint: &str) -> Option<Self> {
        self.at(entrypoint).ok().filter(|other| other.entrypoint() == entrypoint)
    }

    /// What says of a request which rule of a declaration decided about it, in words for people: where this is the policy
    /// that declarations become.
    pub fn rule(&self) -> Option<Self> {
        if self.entrypoint() == log::DECLARATIONS { self.beside(log::RULE) } else { None }
    }

    /// Paths below `input` that an evaluation may read; an empty path is all of it.
    pub fn reads(&self) -> &[Vec<String>] {
        self.loaded.as_ref().map_or(&[], |loaded| &loaded.reads)
    }

    /// The places in the input that an answer depends on, if it depends on nothing else; `None` without a policy.
    pub(crate) fn places(&self, needs: &Needs) -> Option<Result<Vec<Place>, Uncached>> {
        let Loaded { image, func, .. } = self.loaded.as_ref()?;
        Some(cache::places(&image.reach(*func), &image.places, needs))
    }

    /// The table that answers for the entry point, where it has one.
    pub fn table(&self) -> Option<&Table> {
        self.loaded.as_ref().and_then(|loaded| loaded.image.table(loaded.entry))
    }

    /// The gRPC messages that requests may have, for the input's builder.
    pub fn messages(&self) -> Arc<Messages> {
        self.loaded.as_ref().map(|loaded| Arc::clone(loaded.image.messages())).unwrap_or_default()
    }

    /// Revision of the bundle; empty where there is none.
    pub fn revision(&self) -> &str {
        self.loaded.as_ref().map_or("", |loaded| loaded.image.revision())
    }

    /// The key that signed its bundle; `None` where none was asked for, or a pointer was.
    pub fn signed_by(&self) -> Option<&str> {
        self.loaded.as_ref().and_then(|loaded| loaded.signed_by.as_deref())
    }

    /// Whether an evaluation may need [`Context::now_ns`].
    pub fn uses_clock(&self) -> bool {
        self.loaded.as_ref().is_some_and(|loaded| loaded.image.uses_clock())
    }

    /// Whether an evaluation may need [`Context::seed`].
    pub fn uses_randomness(&self) -> bool {
        self.loaded.as_ref().is_some_and(|loaded| loaded.image.uses_randomness())
    }

    /// The value of the entry point for a request; [`Value::Undefined`] where the policy has none. It is what
    /// [`evaluate`](Self::evaluate) says of the request's document.
    pub fn answer(&self, request: &Request<'_>, context: &Context) -> Result<Value, EvalError> {
        self.run(Asked::Request(request), context).0
    }

    /// The value of the entry point for `input`; [`Value::Undefined`] where the policy has none.
    pub fn evaluate(&self, input: &Value, context: &Context) -> Result<Value, EvalError> {
        self.measure(input, context).0
    }

    /// The same, with the steps it took.
    pub fn measure(&self, input: &Value, context: &Context) -> (Result<Value, EvalError>, u64) {
        self.run(Asked::Document(input), context)
    }

    fn run(&self, asked: Asked<'_>, context: &Context) -> (Result<Value, EvalError>, u64) {
        let Some(Loaded { image, func, limits, .. }) = &self.loaded else {
            return (Err(EvalError::NoPolicy), 0);
        };
        let mut machine = Machine::new(image, asked, context, limits.steps);
        let value = machine.result(*func).and_then(|value| {
            // OPA takes `403` for a status and not `403.0`: where that is in doubt, there is no answer.
            let doubt =
                machine.has_read_odd() && matches!(value[&Value::from("http_status")], Value::Number(_));
            if doubt { Err(EvalError::Inexact("http_status")) } else { Ok(value) }
        });
        (value, machine.used())
    }
}

impl Policies {
    /// The policies that answer at these entry points.
    pub fn load(
        bundle: VerifiedBundle,
        entrypoints: &Entrypoints,
        limits: Limits,
    ) -> Result<Self, BundleError> {
        let Entrypoints { request, response, connection } = entrypoints;
        let request = Policy::load(bundle, request, limits)?;
        let at = |path: &Option<String>| path.as_deref().map(|path| request.at(path)).transpose();
        let (response, connection) = (at(response)?, at(connection)?);
        let [drop, mask] = [log::DROP, log::MASK].map(|path| request.beside(path));
        let log = LogPolicies { drop, mask };
        Ok(Self { request, response, connection, log })
    }
}

fn find(image: &Image, entrypoint: &str) -> Result<(usize, Entry), BundleError> {
    let found = image.entries().iter().enumerate().find(|(_, entry)| entry.path == entrypoint);
    found
        .map(|(place, entry)| (place, entry.clone()))
        .ok_or_else(|| BundleError::Entrypoint { wanted: entrypoint.to_owned(), have: list(image.entries()) })
}

fn list(entries: &[Entry]) -> String {
    let names: Vec<_> = entries.iter().map(|entry| format!("`{}`", entry.path)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
