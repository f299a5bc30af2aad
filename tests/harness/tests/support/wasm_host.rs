//! A scripted proxy-wasm host for the module that ships: it counts each host call, and records what the module did.
//!
//! The real module runs in an interpreter, so what is counted are the calls that it makes, and a trap is an error that a test sees.

#[path = "wasm_host/imports.rs"]
mod imports;

use std::collections::{BTreeMap, HashMap, HashSet};

use wasmi::{Config, Engine, Error, Instance, Linker, Module, Store, StoreLimits, StoreLimitsBuilder};

/// `proxy_status_t`, as far as this host answers with it.
pub const OK: u32 = 0;
/// There is no such thing.
pub const NOT_FOUND: u32 = 1;
/// What was given is wrong.
pub const BAD_ARGUMENT: u32 = 2;

/// The root context of every run.
pub const ROOT: u32 = 1;
/// Envoy's own limit for the memory of one VM.
const MEMORY_MAX: usize = 1 << 30;
/// As many instructions as no callback should need: what spins ends as a trap. (An interpreter makes some 100 million a second.)
const FUEL: u64 = 20_000_000_000;

/// What the module is told, and what it did.
#[derive(Default)]
pub struct Host {
    /// How often each import was called.
    pub calls: BTreeMap<&'static str, usize>,
    /// The import that was called last.
    pub last_call: &'static str,
    /// Wall time in nanoseconds since the Unix epoch.
    pub time: u64,
    /// Monotonic time in nanoseconds.
    pub monotonic: u64,
    /// What random bytes begin with.
    pub seed: u8,
    /// The plugin's configuration.
    pub configuration: Vec<u8>,
    /// The request's headers, as a block of pairs; `None` makes reading them fail.
    pub request: Option<Vec<u8>>,
    /// The headers of the answer to a call, as a block of pairs.
    pub response: Vec<u8>,
    /// The body of the answer to a call.
    pub response_body: Vec<u8>,
    /// Properties by path, its parts separated by NUL.
    pub properties: HashMap<Vec<u8>, Vec<u8>>,
    /// What `verify_signature` answers; `None`: this host has no such function.
    pub verify_signature: Option<bool>,
    /// What `http_call` answers.
    pub call_status: u32,
    /// What `set_property` answers.
    pub set_status: u32,
    /// The calls that were made.
    pub http_calls: Vec<HttpCall>,
    /// Properties that the module set, in order.
    pub set: Vec<(String, String)>,
    /// Request headers that the module removed.
    pub removed: Vec<Vec<u8>>,
    /// Request headers that the module set.
    pub replaced: Vec<(String, String)>,
    /// The local reply.
    pub reply: Option<Reply>,
    /// Whether a stream that waited was let go on.
    pub continued: bool,
    /// Contexts that are gone.
    pub gone: HashSet<u32>,
    /// The context that the module speaks for.
    pub effective: u32,
    /// Streams that were closed: their contexts, and what kind of stream the module said.
    pub closed: Vec<(u32, u32)>,
    /// Metrics by name, and the sum of what was added or recorded.
    pub metrics: Vec<(String, u64)>,
    /// Log lines.
    pub log: Vec<String>,
    limits: StoreLimits,
}

/// A call to a cluster.
pub struct HttpCall {
    pub cluster: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A local reply.
#[derive(Debug)]
pub struct Reply {
    pub status: u32,
    pub details: String,
    pub grpc_status: i32,
}

/// The module that ships, translated once for many instances.
pub struct Shipped {
    pub bytes: Vec<u8>,
    pub module: Module,
    linker: Linker<Host>,
}

impl Shipped {
    pub fn load() -> Self {
        let path = regionguard_harness::tools::wasm_module().expect("the module");
        let bytes = std::fs::read(path).expect("the module's bytes");
        let engine = Engine::new(Config::default().consume_fuel(true));
        let module = Module::new(&engine, &bytes).expect("a valid module");
        let linker = imports::linker(&engine).expect("distinct names");
        Self { bytes, module, linker }
    }

    /// A fresh VM with its root context, not configured yet.
    pub fn instance(&self, seed: u8) -> Vm {
        let limits = StoreLimitsBuilder::new().memory_size(MEMORY_MAX).build();
        let host = Host {
            time: 1_800_000_000_000_000_000,
            monotonic: 1_000_000_000,
            seed,
            limits,
            verify_signature: Some(true),
            properties: HashMap::from([(b"plugin_root_id".to_vec(), b"regionguard".to_vec())]),
            ..Host::default()
        };
        let mut store = Store::new(self.module.engine(), host);
        store.limiter(|host| &mut host.limits);
        let instance = self
            .linker
            .instantiate_and_start(&mut store, &self.module)
            .expect("an instance");
        let mut vm = Vm {
            store,
            instance,
            last_context: ROOT,
        };
        vm.call("proxy_on_context_create", &[ROOT, 0]).expect("a root context");
        vm
    }

    /// A VM that this bundle is in force in.
    pub fn configured(&self, bundle: &serde_json::Value) -> Vm {
        let mut vm = self.instance(7);
        assert!(
            vm.configure(bundle.to_string().as_bytes()).expect("no trap"),
            "{:#?}",
            vm.host().log
        );
        vm
    }
}

/// What a callback on a request's headers returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Continue,
    Pause,
}

/// One VM.
pub struct Vm {
    store: Store<Host>,
    instance: Instance,
    last_context: u32,
}

impl Vm {
    pub fn host(&self) -> &Host {
        self.store.data()
    }

    pub fn host_mut(&mut self) -> &mut Host {
        self.store.data_mut()
    }

    /// Forgets what was recorded so far; what the module is told stays.
    pub fn forget(&mut self) {
        let host = self.host_mut();
        host.calls.clear();
        host.http_calls.clear();
        host.set.clear();
        host.removed.clear();
        host.replaced.clear();
        host.reply = None;
        host.continued = false;
        host.closed.clear();
        host.log.clear();
    }

    /// Instructions that a callback took.
    pub fn fuel_of<T>(&mut self, callback: impl FnOnce(&mut Self) -> T) -> (T, u64) {
        let result = callback(self);
        let left = self.store.get_fuel().expect("fuel is metered");
        (result, FUEL - left)
    }

    /// Bytes of the VM's memory.
    pub fn memory(&self) -> usize {
        let memory = self.instance.get_memory(&self.store, "memory").expect("an export");
        memory.data_size(&self.store)
    }

    /// Configures the plugin; `Err` is a trap.
    pub fn configure(&mut self, configuration: &[u8]) -> Result<bool, Error> {
        self.host_mut().configuration = configuration.to_vec();
        let size = u32::try_from(configuration.len()).expect("fits");
        Ok(self.call("proxy_on_configure", &[ROOT, size])? == Some(1))
    }

    /// Begins a stream with a block of pairs, and gives its context; `Err` is a trap.
    pub fn request(&mut self, block: Vec<u8>) -> Result<(u32, Action), Error> {
        self.forget();
        self.last_context += 1;
        let context = self.last_context;
        let count = block.first_chunk().map_or(0, |count| u32::from_le_bytes(*count));
        self.host_mut().request = Some(block);
        self.call("proxy_on_context_create", &[context, ROOT])?;
        let action = self.call("proxy_on_request_headers", &[context, count, 1])?;
        Ok((
            context,
            if action == Some(0) {
                Action::Continue
            } else {
                Action::Pause
            },
        ))
    }

    /// Answers the call with this token; `Err` is a trap.
    pub fn respond(&mut self, token: u32, headers: Vec<u8>, body: &[u8]) -> Result<(), Error> {
        self.forget();
        self.host_mut().response = headers;
        self.host_mut().response_body = body.to_vec();
        let size = u32::try_from(body.len()).expect("fits");
        self.call("proxy_on_http_call_response", &[ROOT, token, 0, size, 0])
            .map(|_| ())
    }

    /// One tick; `Err` is a trap.
    pub fn tick(&mut self) -> Result<(), Error> {
        self.forget();
        self.call("proxy_on_tick", &[ROOT]).map(|_| ())
    }

    /// How often each import was called since [`forget`](Self::forget).
    pub fn ledger(&self) -> Vec<(&'static str, usize)> {
        self.host().calls.iter().map(|(name, count)| (*name, *count)).collect()
    }

    /// The value of the decision line, where the module has set one.
    pub fn line(&self) -> Option<&str> {
        self.host().set.last().map(|(_, value)| value.as_str())
    }

    fn call(&mut self, name: &str, arguments: &[u32]) -> Result<Option<u32>, Error> {
        self.store.set_fuel(FUEL).expect("fuel is metered");
        let function = self.instance.get_func(&self.store, name).expect("an export");
        let arguments: Vec<_> = arguments
            .iter()
            .map(|value| wasmi::Val::I32(value.cast_signed()))
            .collect();
        let mut results = vec![wasmi::Val::I32(0); function.ty(&self.store).results().len()];
        function.call(&mut self.store, &arguments, &mut results)?;
        Ok(results.first().and_then(wasmi::Val::i32).map(i32::cast_unsigned))
    }
}
