//! Calls with which a plugin acts of its own accord: ticks, requests of its own, streams that it held.

use std::io::Write;

use wasmi::{Error, Linker};

use super::abi::{BAD_ARGUMENT, Cx, NOT_FOUND, OK, Status, give, read, status, write};
use super::pairs;
use super::state::{Call, Host};

fn http_call(
    cx: &mut Cx<'_>,
    cluster: Vec<u8>,
    headers: &[u8],
    body: Vec<u8>,
    timeout: i32,
    token_at: i32,
) -> Status {
    let headers = pairs::decode(headers).ok_or(BAD_ARGUMENT)?;
    let cluster = String::from_utf8(cluster).map_err(|_| BAD_ARGUMENT)?;
    let has = |name: &str| headers.iter().any(|(n, v)| n == name.as_bytes() && !v.is_empty());
    if !cx.data().clusters.contains(&cluster) || ![":method", ":path", ":authority"].into_iter().all(has) {
        return Err(BAD_ARGUMENT);
    }
    let data = cx.data_mut();
    let token = data.next_token;
    data.next_token += 1;
    data.calls.push(Call { token, cluster, headers, body, timeout });
    write(cx, token_at, &token.to_le_bytes())
}

/// Of Envoy's own functions, the one that compresses, as zlib's `compress` does.
fn foreign(cx: &mut Cx<'_>, name: &[u8], argument: &[u8], data_at: i32, length_at: i32) -> Status {
    if name != b"compress" {
        return Err(NOT_FOUND);
    }
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    let compressed = zlib.write_all(argument).and_then(|()| zlib.finish()).map_err(|_| BAD_ARGUMENT)?;
    give(cx, &compressed, data_at, length_at)
}

/// The host refuses to turn to a context that is not there.
fn turn_to(data: &mut Host, context: i32) -> i32 {
    if context != data.current && !data.streams.contains_key(&context) {
        return BAD_ARGUMENT;
    }
    data.effective = Some(context);
    OK
}

pub(super) fn define(linker: &mut Linker<Host>) -> Result<(), Error> {
    let env = "env";
    linker.func_wrap(env, "proxy_set_tick_period_milliseconds", |mut cx: Cx<'_>, period: i32| {
        cx.data_mut().tick_period = period;
        OK
    })?;
    linker.func_wrap(env, "proxy_set_effective_context", |mut cx: Cx<'_>, context: i32| {
        turn_to(cx.data_mut(), context)
    })?;
    linker.func_wrap(env, "proxy_continue_stream", |mut cx: Cx<'_>, _kind: i32| {
        cx.data_mut().stream().map_or(BAD_ARGUMENT, |stream| {
            stream.go_on();
            OK
        })
    })?;
    linker.func_wrap(
        env,
        "proxy_http_call",
        |mut cx: Cx<'_>,
         c: i32,
         cl: i32,
         h: i32,
         hl: i32,
         b: i32,
         bl: i32,
         _t: i32,
         _tl: i32,
         timeout: i32,
         token_at: i32| {
            let parts = read(&cx, c, cl).and_then(|c| Ok((c, read(&cx, h, hl)?, read(&cx, b, bl)?)));
            status(parts.and_then(|(cluster, headers, body)| {
                http_call(&mut cx, cluster, &headers, body, timeout, token_at)
            }))
        },
    )?;
    linker.func_wrap(
        env,
        "proxy_call_foreign_function",
        |mut cx: Cx<'_>, n: i32, nl: i32, a: i32, al: i32, data_at: i32, length_at: i32| {
            let parts = read(&cx, n, nl).and_then(|name| Ok((name, read(&cx, a, al)?)));
            status(parts.and_then(|(name, argument)| foreign(&mut cx, &name, &argument, data_at, length_at)))
        },
    )?;
    Ok(())
}
