//! The host's side of the proxy-wasm 0.2.1 ABI, as far as a filter of ours may use it. What is not here
//! answers `Unimplemented` and is remembered.

use std::sync::Arc;

use wasmi::{Caller, Error, Extern, ExternType, FuncType, Linker, Memory, Module, Val};

use super::calls;
use super::pairs::{self, Headers};
use super::state::{Host, LocalResponse, Log, Phase};

pub(super) const OK: i32 = 0;
pub(super) const NOT_FOUND: i32 = 1;
pub(super) const BAD_ARGUMENT: i32 = 2;
const PARSE_FAILURE: i32 = 4;
const INVALID_MEMORY_ACCESS: i32 = 6;
const CAS_MISMATCH: i32 = 8;
const UNIMPLEMENTED: i32 = 12;

const REQUEST_BODY: i32 = 0;
const CALL_RESPONSE_BODY: i32 = 4;
const CALL_RESPONSE_HEADERS: i32 = 6;
const PLUGIN_CONFIGURATION: i32 = 7;

pub(super) type Cx<'a> = Caller<'a, Host>;
/// Host functions give a status; the two arms of the result are the same to the guest.
pub(super) type Status = Result<i32, i32>;

pub(super) fn status(result: Status) -> i32 {
    result.unwrap_or_else(|status| status)
}

fn memory(cx: &Cx<'_>) -> Result<Memory, i32> {
    cx.get_export("memory").and_then(Extern::into_memory).ok_or(INVALID_MEMORY_ACCESS)
}

fn offset(value: i32) -> usize {
    // Addresses are unsigned 32 bits; wasm's i32 has no sign of its own.
    usize::try_from(value.cast_unsigned()).expect("a 64-bit machine")
}

/// The bytes at an address of the guest.
pub(super) fn read(cx: &Cx<'_>, at: i32, length: i32) -> Result<Vec<u8>, i32> {
    let (at, length) = (offset(at), offset(length));
    let end = at.checked_add(length).ok_or(INVALID_MEMORY_ACCESS)?;
    memory(cx)?.data(cx).get(at..end).map(<[u8]>::to_vec).ok_or(INVALID_MEMORY_ACCESS)
}

/// Writes to an address of the guest.
pub(super) fn write(cx: &mut Cx<'_>, at: i32, bytes: &[u8]) -> Status {
    memory(cx)?.write(cx, offset(at), bytes).map(|()| OK).map_err(|_| INVALID_MEMORY_ACCESS)
}

/// Hands bytes over in memory that the guest allocates for them.
pub(super) fn give(cx: &mut Cx<'_>, bytes: &[u8], pointer_at: i32, length_at: i32) -> Status {
    let mut address = 0;
    if !bytes.is_empty() {
        let allocate = ["proxy_on_memory_allocate", "malloc"]
            .into_iter()
            .find_map(|name| cx.get_export(name).and_then(Extern::into_func))
            .ok_or(INVALID_MEMORY_ACCESS)?;
        let allocate = allocate.typed::<i32, i32>(&*cx).map_err(|_| INVALID_MEMORY_ACCESS)?;
        let length = i32::try_from(bytes.len()).map_err(|_| INVALID_MEMORY_ACCESS)?;
        address = allocate.call(&mut *cx, length).map_err(|_| INVALID_MEMORY_ACCESS)?;
        write(cx, address, bytes)?;
    }
    write(cx, pointer_at, &address.to_le_bytes())?;
    write(cx, length_at, &u32::try_from(bytes.len()).map_err(|_| INVALID_MEMORY_ACCESS)?.to_le_bytes())
}

fn map<'a>(cx: &'a mut Cx<'_>, kind: i32) -> Result<&'a mut Headers, i32> {
    if kind == CALL_RESPONSE_HEADERS {
        return cx.data_mut().answer.as_mut().map(|(headers, _)| headers).ok_or(BAD_ARGUMENT);
    }
    cx.data_mut().stream().and_then(|s| s.map(kind)).ok_or(BAD_ARGUMENT)
}

fn map_for_writing<'a>(cx: &'a mut Cx<'_>, kind: i32) -> Result<&'a mut Headers, i32> {
    if cx.data_mut().stream().is_some_and(|s| s.phase == Phase::Log) {
        return Err(BAD_ARGUMENT);
    }
    map(cx, kind)
}

fn name(cx: &Cx<'_>, at: i32, length: i32) -> Result<Vec<u8>, i32> {
    Ok(read(cx, at, length)?.to_ascii_lowercase())
}

/// A property's path: its parts have a NUL between them.
fn path(cx: &Cx<'_>, at: i32, length: i32) -> Result<String, i32> {
    let raw = read(cx, at, length)?;
    let parts: Vec<_> = raw.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
    Ok(parts.join(".").trim_end_matches('.').to_owned())
}

fn send_local_response(cx: &mut Cx<'_>, code: i32, body: (i32, i32), headers: (i32, i32)) -> Status {
    let status = u16::try_from(code).map_err(|_| BAD_ARGUMENT)?;
    let body = read(cx, body.0, body.1)?;
    let headers = pairs::decode(&read(cx, headers.0, headers.1)?).ok_or(PARSE_FAILURE)?;
    let headers = headers.into_iter().map(|(n, v)| (n.to_ascii_lowercase(), v)).collect();
    let stream = cx.data_mut().stream().ok_or(BAD_ARGUMENT)?;
    stream.local = Some(LocalResponse { status, headers, body });
    Ok(OK)
}

fn set_shared(cx: &mut Cx<'_>, key: Vec<u8>, value: Vec<u8>, expected: u32) -> Status {
    let shared = Arc::clone(&cx.data().shared);
    let mut shared = shared.lock().expect("no holder of the lock panics");
    let last = shared.get(&key).map_or(0, |(_, cas)| *cas);
    if expected != 0 && expected != last {
        return Err(CAS_MISMATCH);
    }
    shared.insert(key, (value, last + 1));
    Ok(OK)
}

/// Header maps, properties, buffers, logs, time, the filter's own answer, shared data.
pub(super) fn define(linker: &mut Linker<Host>) -> Result<(), Error> {
    let env = "env";
    linker.func_wrap(env, "proxy_log", |mut cx: Cx<'_>, level: i32, p: i32, n: i32| {
        status(read(&cx, p, n).map(|text| {
            cx.data_mut().logs.push(Log { level, text: String::from_utf8_lossy(&text).into_owned() });
            OK
        }))
    })?;
    linker.func_wrap(env, "proxy_get_log_level", |mut cx: Cx<'_>, out: i32| {
        status(write(&mut cx, out, &2_i32.to_le_bytes()))
    })?;
    linker.func_wrap(env, "proxy_get_current_time_nanoseconds", |mut cx: Cx<'_>, out: i32| {
        let now = cx.data().now;
        status(write(&mut cx, out, &now.to_le_bytes()))
    })?;
    linker.func_wrap(env, "proxy_done", |_: Cx<'_>| OK)?;
    linker.func_wrap(
        env,
        "proxy_get_property",
        |mut cx: Cx<'_>, p: i32, n: i32, out: i32, length: i32| {
            let value = path(&cx, p, n).and_then(|path| {
                let data = cx.data_mut();
                let of_stream = data.stream().and_then(|s| s.property(&path));
                of_stream.or_else(|| data.properties.get(&path).cloned()).ok_or(NOT_FOUND)
            });
            status(value.and_then(|value| give(&mut cx, &value, out, length)))
        },
    )?;
    linker.func_wrap(env, "proxy_set_property", |mut cx: Cx<'_>, p: i32, n: i32, v: i32, m: i32| {
        let pair = path(&cx, p, n).and_then(|path| Ok((path, read(&cx, v, m)?)));
        status(pair.and_then(|(path, value)| {
            let stream = cx.data_mut().stream().ok_or(BAD_ARGUMENT)?;
            stream.filter_state.insert(path, value);
            Ok(OK)
        }))
    })?;
    linker.func_wrap(
        env,
        "proxy_get_buffer_bytes",
        |mut cx: Cx<'_>, kind: i32, start: i32, most: i32, out: i32, length: i32| {
            let data = cx.data_mut();
            let all = match kind {
                PLUGIN_CONFIGURATION => Some(&data.configuration),
                CALL_RESPONSE_BODY => data.answer.as_ref().map(|(_, body)| body),
                REQUEST_BODY => data.stream().map(|stream| &stream.body),
                _ => None,
            };
            let Some(all) = all else { return NOT_FOUND };
            let start = offset(start).min(all.len());
            let bytes = all[start..start.saturating_add(offset(most)).min(all.len())].to_vec();
            status(give(&mut cx, &bytes, out, length))
        },
    )?;
    linker.func_wrap(
        env,
        "proxy_send_local_response",
        |mut cx: Cx<'_>,
         code: i32,
         _details: i32,
         _details_len: i32,
         b: i32,
         bl: i32,
         h: i32,
         hl: i32,
         _grpc: i32| { status(send_local_response(&mut cx, code, (b, bl), (h, hl))) },
    )?;
    linker.func_wrap(
        env,
        "proxy_get_shared_data",
        |mut cx: Cx<'_>, p: i32, n: i32, out: i32, length: i32, cas_out: i32| {
            let found = read(&cx, p, n).and_then(|key| {
                let shared = cx.data().shared.lock().expect("no holder of the lock panics");
                shared.get(&key).cloned().ok_or(NOT_FOUND)
            });
            status(found.and_then(|(value, cas)| {
                give(&mut cx, &value, out, length)?;
                write(&mut cx, cas_out, &cas.to_le_bytes())
            }))
        },
    )?;
    linker.func_wrap(
        env,
        "proxy_set_shared_data",
        |mut cx: Cx<'_>, p: i32, n: i32, v: i32, m: i32, cas: i32| {
            let pair = read(&cx, p, n).and_then(|key| Ok((key, read(&cx, v, m)?)));
            status(pair.and_then(|(key, value)| set_shared(&mut cx, key, value, cas.cast_unsigned())))
        },
    )?;
    calls::define(linker)?;
    define_maps(linker)
}

fn define_maps(linker: &mut Linker<Host>) -> Result<(), Error> {
    let env = "env";
    linker.func_wrap(
        env,
        "proxy_get_header_map_pairs",
        |mut cx: Cx<'_>, kind: i32, out: i32, length: i32| {
            let bytes = map(&mut cx, kind).map(|headers| pairs::encode(headers));
            status(bytes.and_then(|bytes| give(&mut cx, &bytes, out, length)))
        },
    )?;
    linker.func_wrap(env, "proxy_get_header_map_size", |mut cx: Cx<'_>, kind: i32, out: i32| {
        let size =
            map(&mut cx, kind).map(|headers| headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>());
        status(size.and_then(|size| {
            write(&mut cx, out, &u32::try_from(size).map_err(|_| BAD_ARGUMENT)?.to_le_bytes())
        }))
    })?;
    linker.func_wrap(env, "proxy_set_header_map_pairs", |mut cx: Cx<'_>, kind: i32, p: i32, n: i32| {
        let headers = read(&cx, p, n).and_then(|bytes| pairs::decode(&bytes).ok_or(PARSE_FAILURE));
        status(headers.and_then(|headers| {
            *map_for_writing(&mut cx, kind)? = headers;
            Ok(OK)
        }))
    })?;
    linker.func_wrap(
        env,
        "proxy_get_header_map_value",
        |mut cx: Cx<'_>, kind: i32, p: i32, n: i32, out: i32, length: i32| {
            let value = name(&cx, p, n).and_then(|name| {
                let headers = map(&mut cx, kind)?;
                headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone()).ok_or(NOT_FOUND)
            });
            status(value.and_then(|value| give(&mut cx, &value, out, length)))
        },
    )?;
    linker.func_wrap(
        env,
        "proxy_add_header_map_value",
        |mut cx: Cx<'_>, kind: i32, p: i32, n: i32, v: i32, m: i32| {
            let pair = name(&cx, p, n).and_then(|name| Ok((name, read(&cx, v, m)?)));
            status(pair.and_then(|pair| {
                map_for_writing(&mut cx, kind)?.push(pair);
                Ok(OK)
            }))
        },
    )?;
    linker.func_wrap(
        env,
        "proxy_replace_header_map_value",
        |mut cx: Cx<'_>, kind: i32, p: i32, n: i32, v: i32, m: i32| {
            let pair = name(&cx, p, n).and_then(|name| Ok((name, read(&cx, v, m)?)));
            status(pair.and_then(|(name, value)| {
                let headers = map_for_writing(&mut cx, kind)?;
                let first = headers.iter().position(|(n, _)| *n == name);
                headers.retain(|(n, _)| *n != name);
                headers.insert(first.unwrap_or(headers.len()).min(headers.len()), (name, value));
                Ok(OK)
            }))
        },
    )?;
    linker.func_wrap(env, "proxy_remove_header_map_value", |mut cx: Cx<'_>, kind: i32, p: i32, n: i32| {
        status(name(&cx, p, n).and_then(|name| {
            map_for_writing(&mut cx, kind)?.retain(|(n, _)| *n != name);
            Ok(OK)
        }))
    })?;
    Ok(())
}

/// Whatever else the module imports of `env.proxy_*`: answers `Unimplemented` and is remembered. Anything
/// that is no `proxy_*` function stays undefined and fails the instantiation, as it would in Envoy.
pub(super) fn define_rest(linker: &mut Linker<Host>, module: &Module) -> Result<(), Error> {
    for import in module.imports() {
        let name = import.name().to_owned();
        let ExternType::Func(shape) = import.ty() else {
            continue;
        };
        if import.module() != "env" || !name.starts_with("proxy_") {
            continue;
        }
        let shape: FuncType = shape.clone();
        let called = name.clone();
        let defined = linker.func_new(
            "env",
            &name,
            shape,
            move |mut cx: Cx<'_>, _args: &[Val], results: &mut [Val]| {
                cx.data_mut().unimplemented.push(called.clone());
                if let Some(result) = results.first_mut() {
                    *result = Val::I32(UNIMPLEMENTED);
                }
                Ok(())
            },
        );
        // What is defined above stays as it is.
        drop(defined);
    }
    Ok(())
}
