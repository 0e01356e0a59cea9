//! Runs the built filter without Envoy: a WebAssembly interpreter and a mock of the proxy-wasm 0.2.1 host.
//! One VM serves many requests, as in Envoy; a trap is an error that names it.

mod abi;
mod calls;
mod metrics;
mod pairs;
mod state;

use std::path::Path;

use wasmi::{Config, Engine, Instance, Linker, Module, Store, WasmParams, WasmResults};

pub use self::pairs::Headers;
pub use self::state::{Call, LocalResponse, Log, Seen, SharedData};
use self::state::{Host, Phase, Stream};

/// Interpreter steps for one callback: far above what any bounded policy takes, and an end to what is not.
const FUEL: u64 = 20_000_000_000;
const CONTINUE: i32 = 0;
/// Of a body: hold it, and the sender back.
const STOP_AND_WATERMARK: i32 = 2;

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

/// A request that has been sent, and may be held.
#[derive(Debug)]
pub struct Pending {
    context: i32,
}

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
        Self::sharing(filter, SharedData::default())
    }

    /// The same with shared data that other VMs have too.
    ///
    /// # Errors
    /// As [`Vm::new`].
    pub fn sharing(filter: &Filter, shared: SharedData) -> Result<Self, String> {
        let mut store = Store::new(&filter.engine, Host::new(shared));
        store.set_fuel(FUEL).map_err(|e| e.to_string())?;
        let mut linker = Linker::new(&filter.engine);
        abi::define(&mut linker).map_err(|e| e.to_string())?;
        metrics::define(&mut linker).map_err(|e| e.to_string())?;
        abi::define_rest(&mut linker, &filter.module).map_err(|e| e.to_string())?;
        let instance = linker
            .instantiate_and_start(&mut store, &filter.module)
            .map_err(|e| format!("the filter could not be instantiated: {e}"))?;
        let mut vm = Self { store, instance, next_context: 1 };
        let _: Option<()> = vm.call(0, "_initialize", ())?;
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
        let started: Option<i32> = self.call(root, "proxy_on_vm_start", (root, 0))?;
        let configured: Option<i32> = self.call(root, "proxy_on_configure", (root, length))?;
        if started == Some(0) || configured == Some(0) {
            let said: Vec<String> = self.store.data().logs[before..].iter().map(|l| l.text.clone()).collect();
            return Err(said.join("\n"));
        }
        Ok(Plugin(root))
    }

    /// Names an attribute of the proxy, by its path with dots.
    pub fn set_property(&mut self, path: &str, value: &[u8]) {
        self.store.data_mut().properties.insert(path.to_owned(), value.to_vec());
    }

    /// Adds a cluster that plugins can send requests to.
    pub fn add_cluster(&mut self, name: &str) {
        self.store.data_mut().clusters.push(name.to_owned());
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
        let pending = self.begin(plugin, seen)?;
        if self.is_held(&pending) {
            return Err(self.explain("the filter held the request and gave no answer"));
        }
        self.finish(pending, answer)
    }

    /// Sends a request through the plugin, as far as it lets it.
    ///
    /// # Errors
    /// The filter traps.
    pub fn begin(&mut self, plugin: Plugin, seen: Seen) -> Result<Pending, String> {
        let context = self.new_context(plugin.0)?;
        self.send_request(context, seen)?;
        Ok(Pending { context })
    }

    /// Whether the request waits.
    pub fn is_held(&mut self, pending: &Pending) -> bool {
        let stream = self.stream(pending.context);
        stream.is_held && stream.local.is_none()
    }

    /// The client goes away.
    ///
    /// # Errors
    /// The filter traps.
    pub fn abort(&mut self, pending: Pending) -> Result<(), String> {
        let context = pending.context;
        let _: Option<i32> = self.call(context, "proxy_on_done", context)?;
        let _: Option<()> = self.call(context, "proxy_on_delete", context)?;
        self.store.data_mut().streams.remove(&context);
        Ok(())
    }

    /// What becomes of a request that is not held.
    ///
    /// # Errors
    /// The filter traps.
    pub fn finish(
        &mut self,
        pending: Pending,
        answer: &dyn Fn(&Headers) -> Headers,
    ) -> Result<Outcome, String> {
        let context = pending.context;
        let stream = self.stream(context);
        let response = match &stream.local {
            Some(local) => local.to_headers(),
            None => answer(&stream.request),
        };
        let headers = count(&response);
        stream.response = response;
        stream.phase = Phase::Response;
        let _: Option<i32> = self.call(context, "proxy_on_response_headers", (context, headers, 1))?;
        self.stream(context).phase = Phase::Log;
        let _: Option<()> = self.call(context, "proxy_on_log", context)?;
        let _: Option<i32> = self.call(context, "proxy_on_done", context)?;
        let _: Option<()> = self.call(context, "proxy_on_delete", context)?;
        let stream = self.store.data_mut().streams.remove(&context).expect("the stream of this request");
        Ok(Outcome {
            local: stream.local,
            request: stream.request,
            body: stream.passed,
            response: stream.response,
            filter_state: stream.filter_state.into_iter().collect(),
        })
    }

    /// Shows the filter a request piece by piece, until it answers.
    fn send_request(&mut self, context: i32, seen: Seen) -> Result<(), String> {
        let (pieces, has_trailers) = (seen.body.clone(), seen.has_trailers);
        let headers = count(&seen.headers);
        self.store.data_mut().streams.insert(context, Stream::new(seen));
        let is_end = i32::from(pieces.is_none());
        let action: Option<i32> =
            self.call(context, "proxy_on_request_headers", (context, headers, is_end))?;
        self.acted(context, action);
        let pieces = pieces.unwrap_or_default();
        for (at, piece) in pieces.iter().enumerate() {
            let stream = self.stream(context);
            if stream.local.is_some() {
                return Ok(());
            }
            stream.body.extend_from_slice(piece);
            let size = i32::try_from(stream.body.len()).map_err(|e| e.to_string())?;
            let is_end = i32::from(at + 1 == pieces.len() && !has_trailers);
            let action: Option<i32> = self.call(context, "proxy_on_request_body", (context, size, is_end))?;
            self.acted(context, action);
        }
        if has_trailers && self.stream(context).local.is_none() {
            let action: Option<i32> = self.call(context, "proxy_on_request_trailers", (context, 1))?;
            self.acted(context, action);
        }
        Ok(())
    }

    /// What a callback about a request says is to become of it.
    fn acted(&mut self, context: i32, action: Option<i32>) {
        let stream = self.stream(context);
        match action.unwrap_or(CONTINUE) {
            CONTINUE => stream.go_on(),
            action => {
                stream.is_held = true;
                if action == STOP_AND_WATERMARK {
                    let seen = std::mem::take(&mut stream.body);
                    stream.hidden.extend(seen);
                }
            }
        }
    }

    /// The requests of plugins since the last call of this.
    pub fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.store.data_mut().calls)
    }

    /// Answers a request of a plugin; with no headers it fails.
    ///
    /// # Errors
    /// The filter traps.
    pub fn answer(
        &mut self,
        plugin: Plugin,
        token: i32,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(), String> {
        let headers: Headers =
            headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        let length = i32::try_from(body.len()).map_err(|e| e.to_string())?;
        let number = count(&headers);
        self.store.data_mut().answer = Some((headers, body.to_vec()));
        let done: Result<Option<()>, String> =
            self.call(plugin.0, "proxy_on_http_call_response", (plugin.0, token, number, length, 0));
        self.store.data_mut().answer = None;
        done.map(|_| ())
    }

    /// How often plugins want to be ticked, in milliseconds; 0 for never.
    pub fn tick_period(&self) -> i32 {
        self.store.data().tick_period
    }

    /// Moves the clock, nanoseconds since 1970.
    pub fn set_clock(&mut self, now: u64) {
        self.store.data_mut().now = now;
    }

    /// Moves the clock, nanoseconds since 1970, and lets the plugin tick.
    ///
    /// # Errors
    /// The filter traps.
    pub fn tick(&mut self, plugin: Plugin, now: u64) -> Result<(), String> {
        self.store.data_mut().now = now;
        let _: Option<()> = self.call(plugin.0, "proxy_on_tick", plugin.0)?;
        Ok(())
    }

    /// Ends a plugin.
    ///
    /// # Errors
    /// The filter traps.
    pub fn end(&mut self, plugin: Plugin) -> Result<(), String> {
        let _: Option<()> = self.call(plugin.0, "proxy_on_delete", plugin.0)?;
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

    fn stream(&mut self, context: i32) -> &mut Stream {
        self.store.data_mut().streams.get_mut(&context).expect("the request is under way")
    }

    fn new_context(&mut self, parent: i32) -> Result<i32, String> {
        let context = self.next_context;
        self.next_context += 1;
        let _: Option<()> = self.call(context, "proxy_on_context_create", (context, parent))?;
        Ok(context)
    }

    /// Calls an export about a context, if it is there.
    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        context: i32,
        name: &str,
        params: P,
    ) -> Result<Option<R>, String> {
        let data = self.store.data_mut();
        (data.current, data.effective) = (context, None);
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
