//! Runs the built filter without Envoy: a WebAssembly interpreter and a mock of the proxy-wasm 0.2.1 host.
//! One VM serves many requests, as in Envoy; a trap is an error that names it.

mod abi;
mod metrics;
mod pairs;
mod state;

use std::path::Path;

use wasmi::{Config, Engine, Instance, Linker, Module, Store, WasmParams, WasmResults};

pub use self::pairs::Headers;
use self::state::{Host, Phase, Stream};
pub use self::state::{LocalResponse, Log, Seen};

/// Interpreter steps for one callback: far above what any bounded policy takes, and an end to what is not.
const FUEL: u64 = 20_000_000_000;
const CONTINUE: i32 = 0;

/// A compiled filter.
pub struct Filter {
    engine: Engine,
    module: Module,
}

/// A VM with the filter in it.
pub struct Vm {
    store: Store<Host>,
    instance: Instance,
    next_context: i32,
}

/// A configured plugin of a VM.
#[derive(Clone, Copy, Debug)]
pub struct Plugin(i32);

/// What the filter did with one request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its own answer, if it gave one; the request then goes no further.
    pub local: Option<LocalResponse>,
    /// The request headers as they go upstream, pseudo-headers among them.
    pub request: Headers,
    /// The body as it goes upstream.
    pub body: Vec<u8>,
    /// The headers of the response as they go to the client, `:status` among them.
    pub response: Headers,
    /// What it set as filter state, by name.
    pub filter_state: Vec<(String, Vec<u8>)>,
}

impl Filter {
    /// Reads and checks a module.
    ///
    /// # Errors
    /// The file cannot be read or is no valid module.
    pub fn load(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("could not read {}: {e}", path.display()))?;
        let mut config = Config::default();
        config.consume_fuel(true);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, &bytes)
            .map_err(|e| format!("expected a wasm module in {}: {e}", path.display()))?;
        Ok(Self { engine, module })
    }

    /// What it imports: module, name and the shape of a function.
    pub fn imports(&self) -> Vec<(String, String, String)> {
        let shape = |import: wasmi::ImportType<'_>| {
            let what = import.ty().func().map_or_else(
                || "no function".to_owned(),
                |f| format!("{} parameters, {} results", f.params().len(), f.results().len()),
            );
            (import.module().to_owned(), import.name().to_owned(), what)
        };
        self.module.imports().map(shape).collect()
    }

    /// The names it exports.
    pub fn exports(&self) -> Vec<String> {
        self.module.exports().map(|e| e.name().to_owned()).collect()
    }
}

impl Vm {
    /// A new VM: instantiates the filter and runs its initializer.
    ///
    /// # Errors
    /// The filter imports what the host has not, or traps.
    pub fn new(filter: &Filter) -> Result<Self, String> {
        let mut store = Store::new(&filter.engine, Host::new());
        store.set_fuel(FUEL).map_err(|e| e.to_string())?;
        let mut linker = Linker::new(&filter.engine);
        abi::define(&mut linker).map_err(|e| e.to_string())?;
        metrics::define(&mut linker).map_err(|e| e.to_string())?;
        abi::define_rest(&mut linker, &filter.module).map_err(|e| e.to_string())?;
        let instance = linker
            .instantiate_and_start(&mut store, &filter.module)
            .map_err(|e| format!("the filter could not be instantiated: {e}"))?;
        let mut vm = Self { store, instance, next_context: 1 };
        let _: Option<()> = vm.call("_initialize", ())?;
        Ok(vm)
    }

    /// Starts a plugin with its configuration.
    ///
    /// # Errors
    /// The filter refuses the configuration; the message has what it logged. Or it traps.
    pub fn configure(&mut self, configuration: &[u8]) -> Result<Plugin, String> {
        let root = self.new_context(0)?;
        let before = self.store.data().logs.len();
        self.store.data_mut().configuration = configuration.to_vec();
        let length = i32::try_from(configuration.len()).map_err(|e| e.to_string())?;
        let started: Option<i32> = self.call("proxy_on_vm_start", (root, 0))?;
        let configured: Option<i32> = self.call("proxy_on_configure", (root, length))?;
        if started == Some(0) || configured == Some(0) {
            let said: Vec<String> = self.store.data().logs[before..].iter().map(|l| l.text.clone()).collect();
            return Err(said.join("\n"));
        }
        Ok(Plugin(root))
    }

    /// Sends a request through the plugin; where it lets it pass, the upstream answers `answer`.
    ///
    /// # Errors
    /// The filter traps, or pauses the request without an answer.
    pub fn request(
        &mut self,
        plugin: Plugin,
        seen: Seen,
        answer: &dyn Fn(&Headers) -> Headers,
    ) -> Result<Outcome, String> {
        let context = self.new_context(plugin.0)?;
        let body = self.send_request(context, seen)?;
        let stream = self.stream();
        let response = match &stream.local {
            Some(local) => local.to_headers(),
            None => answer(&stream.request),
        };
        let headers = count(&response);
        stream.response = response;
        stream.phase = Phase::Response;
        let _: Option<i32> = self.call("proxy_on_response_headers", (context, headers, 1))?;
        self.stream().phase = Phase::Log;
        let _: Option<()> = self.call("proxy_on_log", context)?;
        let _: Option<i32> = self.call("proxy_on_done", context)?;
        let _: Option<()> = self.call("proxy_on_delete", context)?;
        let stream = self.store.data_mut().stream.take().expect("the stream of this request");
        Ok(Outcome {
            local: stream.local,
            request: stream.request,
            body,
            response: stream.response,
            filter_state: stream.filter_state.into_iter().collect(),
        })
    }

    /// Shows the filter a request piece by piece; gives back the body that it let pass.
    fn send_request(&mut self, context: i32, seen: Seen) -> Result<Vec<u8>, String> {
        let (pieces, has_trailers) = (seen.body.clone(), seen.has_trailers);
        let headers = count(&seen.headers);
        self.store.data_mut().stream = Some(Stream::new(seen));
        let is_end = i32::from(pieces.is_none());
        let action: Option<i32> = self.call("proxy_on_request_headers", (context, headers, is_end))?;
        let mut is_held = action.is_some_and(|a| a != CONTINUE);
        let mut passed = Vec::new();
        let pieces = pieces.unwrap_or_default();
        for (at, piece) in pieces.iter().enumerate() {
            if self.stream().local.is_some() {
                return Ok(passed);
            }
            let body = &mut self.stream().body;
            if !is_held {
                body.clear();
            }
            body.extend_from_slice(piece);
            let size = i32::try_from(body.len()).map_err(|e| e.to_string())?;
            let is_end = i32::from(at + 1 == pieces.len() && !has_trailers);
            let action: Option<i32> = self.call("proxy_on_request_body", (context, size, is_end))?;
            is_held = action.is_some_and(|a| a != CONTINUE);
            if !is_held {
                passed.extend_from_slice(&self.stream().body);
            }
        }
        if has_trailers && self.stream().local.is_none() {
            let action: Option<i32> = self.call("proxy_on_request_trailers", (context, 1))?;
            if is_held && action.is_none_or(|a| a == CONTINUE) {
                passed.extend_from_slice(&self.stream().body);
            }
            is_held = action.is_some_and(|a| a != CONTINUE);
        }
        if is_held && self.stream().local.is_none() {
            return Err(self.explain("the filter held the request and gave no answer"));
        }
        Ok(passed)
    }

    /// Moves the clock, nanoseconds since 1970, and lets the plugin tick.
    ///
    /// # Errors
    /// The filter traps.
    pub fn tick(&mut self, plugin: Plugin, now: u64) -> Result<(), String> {
        self.store.data_mut().now = now;
        let _: Option<()> = self.call("proxy_on_tick", plugin.0)?;
        Ok(())
    }

    /// What the filter has logged so far, oldest first.
    pub fn logs(&self) -> &[Log] {
        &self.store.data().logs
    }

    /// The value of a counter or gauge; `None` where it was never defined.
    pub fn metric(&self, name: &str) -> Option<i64> {
        self.store.data().metrics.iter().find(|m| m.name == name).map(|m| m.value)
    }

    /// Host functions that were called and that the mock does not have.
    pub fn unimplemented(&self) -> &[String] {
        &self.store.data().unimplemented
    }

    fn stream(&mut self) -> &mut Stream {
        self.store.data_mut().stream.as_mut().expect("a request is under way")
    }

    fn new_context(&mut self, parent: i32) -> Result<i32, String> {
        let context = self.next_context;
        self.next_context += 1;
        let _: Option<()> = self.call("proxy_on_context_create", (context, parent))?;
        Ok(context)
    }

    /// Calls an export, if it is there.
    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> Result<Option<R>, String> {
        if self.instance.get_func(&self.store, name).is_none() {
            return Ok(None);
        }
        let function = self
            .instance
            .get_typed_func::<P, R>(&self.store, name)
            .map_err(|e| format!("the filter's `{name}` has another shape than the ABI's: {e}"))?;
        self.store.set_fuel(FUEL).map_err(|e| e.to_string())?;
        function
            .call(&mut self.store, params)
            .map(Some)
            .map_err(|e| self.explain(&format!("`{name}` trapped: {e}")))
    }

    fn explain(&self, message: &str) -> String {
        let logs = &self.store.data().logs;
        let tail: Vec<&str> = logs[logs.len().saturating_sub(10)..].iter().map(|l| l.text.as_str()).collect();
        format!("{message}; its last log lines: {tail:?}")
    }
}

fn count(headers: &Headers) -> i32 {
    i32::try_from(headers.len()).expect("few headers")
}
