//! A scripted proxy-wasm host for the module that ships: it counts each host call, and records what the module did.
//!
//! The real module runs in an interpreter, so what is counted are the calls that it makes, and a trap is an error that a test sees.

use std::collections::{BTreeMap, HashMap};

use wasmi::{Caller, Config, Engine, Error, Instance, Linker, Memory, Module, Store, StoreLimits, StoreLimitsBuilder};

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
    /// The calls that were made: cluster, headers, body.
    pub http_calls: Vec<(String, Vec<(String, String)>, Vec<u8>)>,
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
    /// Metrics by name, and the sum of what was added or recorded.
    pub metrics: Vec<(String, u64)>,
    /// Log lines.
    pub log: Vec<String>,
    limits: StoreLimits,
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
        let linker = linker(&engine).expect("distinct names");
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
        host.log.clear();
    }

    /// Instructions that a callback took.
    pub fn fuel_of<T>(&mut self, callback: impl FnOnce(&mut Self) -> T) -> (T, u64) {
        let result = callback(self);
        let left = self.store.get_fuel().expect("fuel is metered");
        (result, FUEL - left)
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

/// The host's side of one call.
struct Cx<'a> {
    caller: Caller<'a, Host>,
}

impl<'a> Cx<'a> {
    fn new(mut caller: Caller<'a, Host>, name: &'static str) -> Self {
        let host = caller.data_mut();
        *host.calls.entry(name).or_default() += 1;
        host.last_call = name;
        Self { caller }
    }

    fn memory(&self) -> Result<Memory, Error> {
        let memory = self.caller.get_export("memory").and_then(wasmi::Extern::into_memory);
        memory.ok_or_else(|| Error::new("no memory is exported"))
    }

    fn read(&self, at: u32, size: u32) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; size as usize];
        self.memory()?
            .read(&self.caller, at as usize, &mut bytes)
            .map_err(|error| Error::new(error.to_string()))?;
        Ok(bytes)
    }

    fn text(&self, at: u32, size: u32) -> Result<String, Error> {
        String::from_utf8(self.read(at, size)?).map_err(|_| Error::new("the module hands over text that is not UTF-8"))
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Error> {
        let memory = self.memory()?;
        memory
            .write(&mut self.caller, at as usize, bytes)
            .map_err(|error| Error::new(error.to_string()))
    }

    /// Hands bytes over as Envoy does: into memory that the module allocates.
    fn give(&mut self, bytes: &[u8], data: u32, size: u32) -> Result<u32, Error> {
        let allocate = self
            .caller
            .get_export("proxy_on_memory_allocate")
            .and_then(wasmi::Extern::into_func);
        let allocate = allocate.ok_or_else(|| Error::new("no allocator is exported"))?;
        let length = u32::try_from(bytes.len()).map_err(|_| Error::new("too large"))?;
        let at = if length == 0 {
            0
        } else {
            allocate
                .typed::<u32, u32>(&self.caller)?
                .call(&mut self.caller, length)?
        };
        if at == 0 && length > 0 {
            return Ok(10);
        }
        self.write(at, bytes)?;
        self.write(data, &at.to_le_bytes())?;
        self.write(size, &length.to_le_bytes())?;
        Ok(OK)
    }

    fn host(&mut self) -> &mut Host {
        self.caller.data_mut()
    }
}

type Status = Result<u32, Error>;
type HostCaller<'a> = Caller<'a, Host>;

fn linker(engine: &Engine) -> Result<Linker<Host>, Error> {
    let mut linker = Linker::new(engine);
    reading(&mut linker)?;
    changing(&mut linker)?;
    answering(&mut linker)?;
    counting(&mut linker)?;
    wasi(&mut linker)?;
    Ok(linker)
}

fn reading(linker: &mut Linker<Host>) -> Result<(), Error> {
    let name = "proxy_get_current_time_nanoseconds";
    linker.func_wrap("env", name, move |caller: HostCaller<'_>, time: u32| -> Status {
        let mut cx = Cx::new(caller, name);
        let now = cx.host().time;
        cx.write(time, &now.to_le_bytes())?;
        Ok(OK)
    })?;
    let name = "proxy_get_buffer_bytes";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>, kind: u32, start: u32, max: u32, data: u32, size: u32| -> Status {
            let mut cx = Cx::new(caller, name);
            let buffer = match kind {
                4 => cx.host().response_body.clone(),
                7 => cx.host().configuration.clone(),
                _ => return Ok(NOT_FOUND),
            };
            let end = (start as usize).saturating_add(max as usize).min(buffer.len());
            let part = buffer.get(start as usize..end).unwrap_or_default();
            cx.give(part, data, size)
        },
    )?;
    let name = "proxy_get_header_map_pairs";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>, kind: u32, data: u32, size: u32| -> Status {
            let mut cx = Cx::new(caller, name);
            let block = match kind {
                0 => cx.host().request.clone(),
                6 => Some(cx.host().response.clone()),
                _ => None,
            };
            match block {
                Some(block) => cx.give(&block, data, size),
                None => Ok(BAD_ARGUMENT),
            }
        },
    )?;
    let name = "proxy_get_property";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>, at: u32, length: u32, data: u32, size: u32| -> Status {
            let mut cx = Cx::new(caller, name);
            let path = cx.read(at, length)?;
            match cx.host().properties.get(&path).cloned() {
                Some(value) => cx.give(&value, data, size),
                None => Ok(NOT_FOUND),
            }
        },
    )?;
    Ok(())
}

fn changing(linker: &mut Linker<Host>) -> Result<(), Error> {
    let name = "proxy_set_property";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>, at: u32, length: u32, value: u32, value_length: u32| -> Status {
            let mut cx = Cx::new(caller, name);
            let set = (cx.text(at, length)?, cx.text(value, value_length)?);
            cx.host().set.push(set);
            Ok(OK)
        },
    )?;
    let name = "proxy_remove_header_map_value";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>, _: u32, at: u32, length: u32| -> Status {
            let mut cx = Cx::new(caller, name);
            let header = cx.read(at, length)?;
            cx.host().removed.push(header);
            Ok(OK)
        },
    )?;
    let name = "proxy_replace_header_map_value";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>, _: u32, at: u32, length: u32, value: u32, value_length: u32| -> Status {
            let mut cx = Cx::new(caller, name);
            let header = (cx.text(at, length)?, cx.text(value, value_length)?);
            cx.host().replaced.push(header);
            Ok(OK)
        },
    )?;
    let name = "proxy_call_foreign_function";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>, at: u32, length: u32, _: u32, _: u32, data: u32, size: u32| -> Status {
            let mut cx = Cx::new(caller, name);
            match (cx.text(at, length)?.as_str(), cx.host().verify_signature) {
                ("clear_route_cache", _) => Ok(OK),
                // A protobuf message whose first field is this bool.
                ("verify_signature", Some(valid)) => cx.give(&[8, u8::from(valid)], data, size),
                _ => Ok(NOT_FOUND),
            }
        },
    )?;
    Ok(())
}

fn answering(linker: &mut Linker<Host>) -> Result<(), Error> {
    let name = "proxy_send_local_response";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>,
              status: u32,
              at: u32,
              length: u32,
              body: u32,
              body_length: u32,
              _: u32,
              _: u32,
              grpc_status: i32|
              -> Status {
            let mut cx = Cx::new(caller, name);
            let details = cx.text(at, length)?;
            cx.text(body, body_length)?;
            cx.host().reply = Some(Reply {
                status,
                details,
                grpc_status,
            });
            Ok(OK)
        },
    )?;
    let name = "proxy_continue_stream";
    linker.func_wrap("env", name, move |caller: HostCaller<'_>, _: u32| -> Status {
        Cx::new(caller, name).host().continued = true;
        Ok(OK)
    })?;
    let name = "proxy_set_effective_context";
    linker.func_wrap("env", name, move |caller: HostCaller<'_>, _: u32| -> Status {
        Cx::new(caller, name);
        Ok(OK)
    })?;
    let name = "proxy_http_call";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>,
              at: u32,
              length: u32,
              headers: u32,
              headers_length: u32,
              body: u32,
              body_length: u32,
              _: u32,
              _: u32,
              _: u32,
              token: u32|
              -> Status {
            let mut cx = Cx::new(caller, name);
            let call = (
                cx.text(at, length)?,
                pairs(&cx.read(headers, headers_length)?),
                cx.read(body, body_length)?,
            );
            let host = cx.host();
            host.http_calls.push(call);
            let (status, number) = (
                host.call_status,
                u32::try_from(host.http_calls.len()).unwrap_or(u32::MAX),
            );
            if status == OK {
                cx.write(token, &number.to_le_bytes())?;
            }
            Ok(status)
        },
    )?;
    Ok(())
}

fn counting(linker: &mut Linker<Host>) -> Result<(), Error> {
    let name = "proxy_define_metric";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>, _: u32, at: u32, length: u32, metric: u32| -> Status {
            let mut cx = Cx::new(caller, name);
            let named = cx.text(at, length)?;
            cx.host().metrics.push((named, 0));
            let number = u32::try_from(cx.host().metrics.len() - 1).unwrap_or(u32::MAX);
            cx.write(metric, &number.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    let name = "proxy_increment_metric";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>, metric: u32, offset: i64| -> Status {
            Ok(add(&mut Cx::new(caller, name), metric, offset.unsigned_abs()))
        },
    )?;
    let name = "proxy_record_metric";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>, metric: u32, value: u64| -> Status {
            Ok(add(&mut Cx::new(caller, name), metric, value))
        },
    )?;
    let name = "proxy_set_tick_period_milliseconds";
    linker.func_wrap("env", name, move |caller: HostCaller<'_>, _: u32| -> Status {
        Cx::new(caller, name);
        Ok(OK)
    })?;
    let name = "proxy_log";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>, _: u32, at: u32, length: u32| -> Status {
            let mut cx = Cx::new(caller, name);
            let line = cx.text(at, length)?;
            cx.host().log.push(line);
            Ok(OK)
        },
    )?;
    Ok(())
}

/// What the standard library asks for: random bytes, the monotonic clock, an empty environment, and a way to say that it panics.
fn wasi(linker: &mut Linker<Host>) -> Result<(), Error> {
    const WASI: &str = "wasi_snapshot_preview1";
    let name = "random_get";
    linker.func_wrap(
        WASI,
        name,
        move |caller: HostCaller<'_>, at: u32, length: u32| -> Status {
            let mut cx = Cx::new(caller, name);
            let seed = cx.host().seed;
            let bytes: Vec<u8> = (0..length)
                .map(|index| seed.wrapping_add(index.to_le_bytes()[0]))
                .collect();
            cx.write(at, &bytes)?;
            Ok(OK)
        },
    )?;
    let name = "clock_time_get";
    linker.func_wrap(
        WASI,
        name,
        move |caller: HostCaller<'_>, _: u32, _: u64, time: u32| -> Status {
            let mut cx = Cx::new(caller, name);
            let now = cx.host().monotonic;
            cx.write(time, &now.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    let name = "environ_sizes_get";
    linker.func_wrap(
        WASI,
        name,
        move |caller: HostCaller<'_>, count: u32, size: u32| -> Status {
            let mut cx = Cx::new(caller, name);
            cx.write(count, &[0; 4])?;
            cx.write(size, &[0; 4])?;
            Ok(OK)
        },
    )?;
    let name = "environ_get";
    linker.func_wrap(WASI, name, move |caller: HostCaller<'_>, _: u32, _: u32| -> Status {
        Cx::new(caller, name);
        Ok(OK)
    })?;
    let name = "fd_write";
    linker.func_wrap(
        WASI,
        name,
        move |caller: HostCaller<'_>, _: u32, _: u32, _: u32, _: u32| -> Status {
            Cx::new(caller, name);
            Ok(8)
        },
    )?;
    let name = "proc_exit";
    linker.func_wrap(
        WASI,
        name,
        move |caller: HostCaller<'_>, code: u32| -> Result<(), Error> {
            Cx::new(caller, name);
            Err(Error::new(format!("the module exits with {code}")))
        },
    )?;
    Ok(())
}

fn add(cx: &mut Cx<'_>, metric: u32, value: u64) -> u32 {
    match cx.host().metrics.get_mut(metric as usize) {
        Some((_, sum)) => {
            *sum += value;
            OK
        }
        None => NOT_FOUND,
    }
}

fn pairs(block: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = regionguard::request::Headers::parse(block).expect("a block that the host can read");
    headers.iter().map(|(name, value)| (text(name), text(value))).collect()
}
