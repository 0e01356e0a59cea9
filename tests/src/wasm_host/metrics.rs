//! Counters, gauges and histograms of the mock host.

use wasmi::{Error, Linker};

use super::abi::{BAD_ARGUMENT, Cx, NOT_FOUND, OK, read, status, write};
use super::state::{Host, Metric};

fn find<'a>(cx: &'a mut Cx<'_>, id: i32) -> Result<&'a mut Metric, i32> {
    usize::try_from(id).ok().and_then(|id| cx.data_mut().metrics.get_mut(id)).ok_or(NOT_FOUND)
}

pub(super) fn define(linker: &mut Linker<Host>) -> Result<(), Error> {
    let env = "env";
    linker.func_wrap(
        env,
        "proxy_define_metric",
        |mut cx: Cx<'_>, _kind: i32, p: i32, n: i32, out: i32| {
            status(read(&cx, p, n).and_then(|name| {
                let name = String::from_utf8(name).map_err(|_| BAD_ARGUMENT)?;
                let metrics = &mut cx.data_mut().metrics;
                let id = metrics.iter().position(|m| m.name == name).unwrap_or_else(|| {
                    metrics.push(Metric { name, value: 0 });
                    metrics.len() - 1
                });
                let id = u32::try_from(id).map_err(|_| BAD_ARGUMENT)?;
                write(&mut cx, out, &id.to_le_bytes())
            }))
        },
    )?;
    linker.func_wrap(env, "proxy_increment_metric", |mut cx: Cx<'_>, id: i32, by: i64| {
        status(find(&mut cx, id).map(|metric| {
            metric.value += by;
            OK
        }))
    })?;
    linker.func_wrap(env, "proxy_record_metric", |mut cx: Cx<'_>, id: i32, value: i64| {
        status(find(&mut cx, id).map(|metric| {
            metric.value = value;
            OK
        }))
    })?;
    linker.func_wrap(env, "proxy_get_metric", |mut cx: Cx<'_>, id: i32, out: i32| {
        let value = find(&mut cx, id).map(|metric| metric.value);
        status(value.and_then(|value| write(&mut cx, out, &value.to_le_bytes())))
    })?;
    Ok(())
}
