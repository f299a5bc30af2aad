//! The functions that the module imports.

use wasmi::{Caller, Engine, Error, Linker, Memory};

use super::{BAD_ARGUMENT, Host, HttpCall, NOT_FOUND, OK, Reply};

type Status = Result<u32, Error>;
type HostCaller<'a> = Caller<'a, Host>;

/// All imports by their names.
pub(super) fn linker(engine: &Engine) -> Result<Linker<Host>, Error> {
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
            Ok(cx.host().set_status)
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
    linker.func_wrap("env", name, move |caller: HostCaller<'_>, context: u32| -> Status {
        let mut cx = Cx::new(caller, name);
        let host = cx.host();
        if host.gone.contains(&context) {
            return Ok(BAD_ARGUMENT);
        }
        host.effective = context;
        Ok(OK)
    })?;
    let name = "proxy_close_stream";
    linker.func_wrap("env", name, move |caller: HostCaller<'_>, kind: u32| -> Status {
        let mut cx = Cx::new(caller, name);
        let host = cx.host();
        host.closed.push((host.effective, kind));
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
            let call = HttpCall {
                cluster: cx.text(at, length)?,
                headers: pairs(&cx.read(headers, headers_length)?),
                body: cx.read(body, body_length)?,
            };
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
            Ok(add(&mut Cx::new(caller, name), metric, offset))
        },
    )?;
    let name = "proxy_record_metric";
    linker.func_wrap(
        "env",
        name,
        move |caller: HostCaller<'_>, metric: u32, value: u64| -> Status {
            Ok(add(&mut Cx::new(caller, name), metric, value.cast_signed()))
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

fn add(cx: &mut Cx<'_>, metric: u32, value: i64) -> u32 {
    match cx.host().metrics.get_mut(metric as usize) {
        Some((_, sum)) => {
            *sum = sum.checked_add_signed(value).expect("no sum is below 0");
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
