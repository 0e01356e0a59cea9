//! Builtins on values: their answers depend on the arguments alone, and their costs are known before.

mod amounts;
mod collections;
mod glob;
mod json;
mod numbers;
mod objects;
mod patch;
mod patterns;
mod text;

use regorus::Value;

use super::context::Context;
use super::number::Inexact;
use super::ops::{depth_weight, json_weight};
use super::table::{Answer, Cost, Entry, Reads};
use super::{print, strings};

pub(super) use numbers::Written;
pub(super) use patterns::refusal;

const FREE: Cost = |_, _| 0;
/// Reading may make a value of every few bytes.
const PARSED: Cost = |args, _| match args {
    [Value::String(text), ..] => u64::try_from(text.len()).unwrap_or(u64::MAX),
    _ => 0,
};
/// Everything in the arguments is written.
const WRITTEN: Cost = |args, most| depth_weight(args, most).saturating_mul(4);
/// The same, as JSON.
const JSON: Cost = |args, most| json_weight(args, most).saturating_mul(4);
/// Few bytes, and numbers of several machine words.
const AMOUNT: Cost = |_, _| 16;
/// Paths are taken apart, and looked up.
const PATHS: Cost = |args, most| depth_weight(args.get(1), most).saturating_mul(32);
/// A value for every few characters, or each element looked for among others.
const PIECES: Cost = |args, most| depth_weight(args, most).saturating_mul(8);
/// Characters are mapped one by one.
const MAPPED: Cost = |args, _| match args {
    [Value::String(text), ..] => u64::try_from(text.len() / 32).unwrap_or(u64::MAX),
    _ => 0,
};

const fn with(name: &'static str, arity: u8, cost: Cost, answer: Answer) -> Entry {
    Entry { name, arity, reads: Reads::Nothing, whole: true, cost, answer }
}

/// A builtin that does not go through its first argument, where that is a collection.
const fn shallow(name: &'static str, arity: u8, answer: Answer) -> Entry {
    Entry { name, arity, reads: Reads::Nothing, whole: false, cost: FREE, answer }
}

/// An entry whose answer does not look at the context.
macro_rules! plain {
    ($name:literal, $arity:literal, $cost:expr, $answer:expr) => {
        with($name, $arity, $cost, |args, _: &Context| {
            let answer: fn(&[Value]) -> Result<Value, Inexact> = $answer;
            Ok(answer(args)?)
        })
    };
    ($name:literal, $arity:literal, $answer:expr) => {
        plain!($name, $arity, FREE, $answer)
    };
}

/// The same, without going through its first argument.
macro_rules! quick {
    ($name:literal, $arity:literal, $answer:expr) => {
        shallow($name, $arity, |args, _: &Context| {
            let answer: fn(&[Value]) -> Result<Value, Inexact> = $answer;
            Ok(answer(args)?)
        })
    };
}

/// All of them, sorted by name.
pub(super) static ENTRIES: &[Entry] = &[
    plain!("abs", 1, numbers::long_cost, numbers::abs),
    plain!("all", 1, collections::all),
    plain!("any", 1, collections::any),
    plain!("array.concat", 2, collections::concat),
    plain!("array.flatten", 1, collections::flatten),
    plain!("array.reverse", 1, collections::reverse),
    plain!("array.slice", 3, collections::slice),
    plain!("base64.decode", 1, MAPPED, strings::base64_decode),
    plain!("base64.encode", 1, MAPPED, strings::base64_encode),
    plain!("base64.is_valid", 1, MAPPED, |args| Ok(strings::base64_is_valid(args))),
    plain!("base64url.decode", 1, MAPPED, strings::base64url_decode),
    plain!("base64url.encode", 1, MAPPED, strings::base64url_encode),
    plain!("base64url.encode_no_pad", 1, MAPPED, strings::base64url_encode_no_pad),
    plain!("bits.and", 2, numbers::long_cost, numbers::bits_and),
    plain!("bits.lsh", 2, numbers::long_cost, numbers::shift_left),
    plain!("bits.negate", 1, numbers::long_cost, numbers::bits_negate),
    plain!("bits.or", 2, numbers::long_cost, numbers::bits_or),
    plain!("bits.rsh", 2, numbers::long_cost, numbers::shift_right),
    plain!("bits.xor", 2, numbers::long_cost, numbers::bits_xor),
    plain!("cast_array", 1, collections::cast_array),
    quick!("cast_boolean", 1, |args| collections::cast(args, "boolean")),
    quick!("cast_null", 1, |args| collections::cast(args, "null")),
    quick!("cast_object", 1, |args| collections::cast(args, "object")),
    plain!("cast_set", 1, PIECES, collections::cast_set),
    quick!("cast_string", 1, |args| collections::cast(args, "string")),
    plain!("ceil", 1, numbers::long_cost, numbers::ceil),
    plain!("concat", 2, text::concat_cost, text::concat),
    plain!("contains", 2, text::contains),
    quick!("count", 1, collections::count),
    plain!("endswith", 2, text::ends_with),
    plain!("floor", 1, numbers::long_cost, numbers::floor),
    plain!("format_int", 2, numbers::long_cost, text::format_int),
    with("glob.match", 3, patterns::glob_cost, patterns::glob_match),
    plain!("glob.quote_meta", 1, MAPPED, |args| Ok(strings::quote_meta(args))),
    plain!("graph.reachable", 2, WRITTEN, objects::reachable),
    plain!("graph.reachable_paths", 2, objects::paths_cost, objects::reachable_paths),
    plain!("hex.decode", 1, MAPPED, strings::hex_decode),
    plain!("hex.encode", 1, MAPPED, json::hex_encode),
    plain!("indexof", 2, MAPPED, text::index_of),
    plain!("indexof_n", 2, text::searches_cost, text::index_of_n),
    plain!("intersection", 1, PIECES, collections::intersection),
    quick!("is_array", 1, |args| collections::is(args, "array")),
    quick!("is_boolean", 1, |args| collections::is(args, "boolean")),
    quick!("is_null", 1, |args| collections::is(args, "null")),
    quick!("is_number", 1, |args| collections::is(args, "number")),
    quick!("is_object", 1, |args| collections::is(args, "object")),
    quick!("is_set", 1, |args| collections::is(args, "set")),
    quick!("is_string", 1, |args| collections::is(args, "string")),
    plain!("json.filter", 2, PATHS, json::filter),
    plain!("json.is_valid", 1, PARSED, json::is_valid),
    plain!("json.marshal", 1, JSON, json::marshal),
    plain!("json.marshal_with_options", 2, json::marshal_cost, json::marshal_with),
    plain!("json.patch", 2, patch::cost, patch::patch),
    plain!("json.remove", 2, PATHS, json::remove),
    plain!("json.unmarshal", 1, PARSED, json::unmarshal),
    plain!("lower", 1, MAPPED, text::lower),
    plain!("max", 1, collections::max),
    plain!("min", 1, collections::min),
    plain!("numbers.range", 2, numbers::range_cost, numbers::range),
    plain!("numbers.range_step", 3, numbers::range_cost, numbers::range),
    plain!("object.filter", 2, PIECES, objects::filter),
    quick!("object.get", 3, objects::get),
    plain!("object.keys", 1, PIECES, objects::keys),
    plain!("object.remove", 2, PIECES, objects::remove),
    plain!("object.subset", 2, objects::subset_cost, objects::subset),
    plain!("object.union", 2, objects::union),
    plain!("object.union_n", 1, objects::union_n),
    plain!("product", 1, numbers::sum_cost, collections::product),
    with("re_match", 2, patterns::match_cost, patterns::is_match),
    with("regex.find_all_string_submatch_n", 3, patterns::find_cost, patterns::find_groups),
    with("regex.find_n", 3, patterns::find_cost, patterns::find),
    with("regex.is_valid", 1, patterns::compile_cost, patterns::is_valid),
    with("regex.match", 2, patterns::match_cost, patterns::is_match),
    with("regex.replace", 3, patterns::replace_cost, patterns::replace),
    with("regex.split", 2, patterns::find_cost, patterns::split),
    with("regex.template_match", 4, patterns::template_cost, patterns::template_match),
    plain!("replace", 3, text::replace_cost, text::replace),
    plain!("round", 1, numbers::long_cost, numbers::round),
    plain!("semver.compare", 2, PARSED, amounts::semver_compare),
    plain!("semver.is_valid", 1, MAPPED, amounts::semver_is_valid),
    plain!("set_diff", 2, PIECES, collections::set_diff),
    plain!("sort", 1, numbers::sum_cost, collections::sort),
    plain!("split", 2, PIECES, text::split),
    plain!("sprintf", 2, print::cost, print::sprintf),
    plain!("startswith", 2, text::starts_with),
    plain!("strings.any_prefix_match", 2, text::any_cost, text::any_prefix),
    plain!("strings.any_suffix_match", 2, text::any_cost, text::any_suffix),
    plain!("strings.count", 2, text::count),
    plain!("strings.replace_n", 2, text::replace_cost, text::replace_n),
    plain!("strings.reverse", 1, MAPPED, text::reverse),
    plain!("strings.split_n", 3, PIECES, text::split_n),
    plain!("substring", 3, MAPPED, text::substring),
    plain!("sum", 1, numbers::sum_cost, collections::sum),
    plain!("to_number", 1, MAPPED, numbers::to_number),
    plain!("trim", 2, text::search_cost, text::trim),
    plain!("trim_left", 2, text::search_cost, text::trim_left),
    plain!("trim_prefix", 2, text::trim_prefix),
    plain!("trim_right", 2, text::search_cost, text::trim_right),
    plain!("trim_space", 1, text::trim_space),
    plain!("trim_suffix", 2, text::trim_suffix),
    quick!("type_name", 1, collections::type_name),
    plain!("union", 1, PIECES, collections::union),
    plain!("units.parse", 1, AMOUNT, amounts::parse_units),
    plain!("units.parse_bytes", 1, AMOUNT, amounts::parse_bytes),
    plain!("upper", 1, MAPPED, text::upper),
    plain!("urlquery.decode", 1, MAPPED, strings::query_decode),
    plain!("urlquery.decode_object", 1, PARSED, json::query_decode),
    plain!("urlquery.encode", 1, MAPPED, |args| Ok(strings::query_encode(args))),
    plain!("urlquery.encode_object", 1, JSON, json::query_encode),
];
