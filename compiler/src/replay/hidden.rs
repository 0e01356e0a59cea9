//! What an event does not have of what was decided about.

use sidegate_engine::Value;
use sidegate_engine::attributes::Phase;

use super::event::at;

/// A JSON pointer into an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointer(Vec<String>);

/// What an input of OPA's plugin and of the filter always has, and is looked for if a policy reads the path: where it is
/// missing, the policy that decided did not read it, and it was not recorded.
const ALWAYS: [(&[&str], &[&str]); 8] = [
    (&["parsed_path"], &["parsed_path"]),
    (&["parsed_query"], &["parsed_query"]),
    (&["parsed_body"], &["parsed_body"]),
    (&["truncated_body"], &["truncated_body"]),
    (&["attributes", "request", "http", "body"], &["parsed_body"]),
    (&["attributes", "request", "http", "size"], &["parsed_body"]),
    (&["attributes", "request", "http", "headers"], &["attributes", "request", "http", "headers"]),
    (&["attributes", "metadataContext"], &["attributes", "metadataContext"]),
];

/// What the filter says of the caller's certificate.
const SOURCE: [&str; 2] = ["sidegate", "source"];

impl Pointer {
    /// As RFC 6901 writes it.
    pub(crate) fn read(text: &str) -> Self {
        let unescaped = |key: &str| match key.contains('~') {
            true => key.replace("~1", "/").replace("~0", "~"),
            false => key.to_owned(),
        };
        Self(text.split('/').skip(1).map(unescaped).collect())
    }

    /// The keys below the event's key `root`, if it leads there.
    fn below(&self, root: &str) -> Option<&[String]> {
        self.0.split_first().filter(|(first, _)| *first == root).map(|(_, rest)| rest)
    }

    /// Whether it leads into the result.
    pub(crate) fn is_result(&self) -> bool {
        self.below("result").is_some()
    }

    /// With dots, as Rego writes it.
    pub(crate) fn shown(&self) -> String {
        self.0.join(".")
    }
}

/// The first of the hidden parts of the input that a policy reads, or that are part of what it reads.
pub(crate) fn hidden_read(hidden: &[Pointer], reads: &[Vec<String>]) -> Option<String> {
    let meets = |path: &[String]| reads.iter().any(|read| read.iter().zip(path).all(|(a, b)| a == b));
    hidden.iter().find(|pointer| pointer.below("input").is_some_and(meets)).map(Pointer::shown)
}

/// Something that a policy reads and that was never recorded.
pub(crate) fn unrecorded_read(input: &Value, phase: Phase, reads: &[Vec<String>]) -> Option<String> {
    let is_missing = |path: &[&str]| *at(input, path) == Value::Undefined;
    let is_below = |read: &Vec<String>, path: &[&str]| {
        read.len() >= path.len() && read.iter().zip(path).all(|(a, b)| a == b)
    };
    let is_read = |path: &[&str]| reads.iter().any(|read| is_below(read, path));
    let is_lacking = |path: &[&str], sign: &[&str]| is_read(path) && is_missing(sign);
    // Who says which phase it is is the filter, which then has this, too.
    if !is_missing(&["sidegate", "phase"]) && is_lacking(&SOURCE, &SOURCE) {
        return Some(format!("input.{}", SOURCE.join(".")));
    }
    let mut always = ALWAYS.iter().filter(|_| phase != Phase::Connection);
    always.find(|(path, sign)| is_lacking(path, sign)).map(|(path, _)| format!("input.{}", path.join(".")))
}

/// Whether nothing is known of the result.
pub(crate) fn hides_result(hidden: &[Pointer]) -> bool {
    hidden.iter().any(|pointer| {
        pointer.0.is_empty()
            || matches!(pointer.below("result"), Some([]))
            || matches!(pointer.below("result"), Some([key]) if key == "allowed")
    })
}

/// A result without what is hidden of the recorded one: the rest can be compared.
pub(crate) fn without_hidden(result: &Value, hidden: &[Pointer]) -> Value {
    let mut result = result.clone();
    for path in hidden.iter().filter_map(|pointer| pointer.below("result")) {
        remove(&mut result, path);
    }
    result
}

fn remove(value: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    if let Ok(items) = value.as_array_mut() {
        let Some(item) = first.parse().ok().and_then(|at: usize| items.get_mut(at)) else { return };
        match rest {
            // Places stay what they are.
            [] => *item = Value::Null,
            rest => remove(item, rest),
        }
        return;
    }
    let Ok(fields) = value.as_object_mut() else { return };
    let key = Value::from(first.as_str());
    match rest {
        [] => {
            fields.remove(&key);
        }
        rest => {
            if let Some(inner) = fields.get_mut(&key) {
                remove(inner, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<Vec<String>> {
        let path = |path: &&str| path.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect();
        paths.iter().map(path).collect()
    }

    #[test]
    fn what_is_read_and_hidden_meets_either_way() {
        let hidden = [Pointer::read("/result/a"), Pointer::read("/input/h/authorization")];
        let read = |reads: &[&str]| hidden_read(&hidden, &paths(reads));
        assert_eq!(read(&["h.cookie", "a"]), None);
        assert_eq!(read(&["h.authorization.0"]).as_deref(), Some("input.h.authorization"));
        for whole in ["h", "h.authorization", ""] {
            assert_eq!(read(&["x", whole]).as_deref(), Some("input.h.authorization"), "{whole}");
        }
        assert_eq!(hidden_read(&[Pointer::read("/input")], &paths(&["a"])).as_deref(), Some("input"));
        assert_eq!(hidden_read(&[Pointer::read("/input")], &[]), None);
    }

    #[test]
    fn what_was_not_recorded_is_seen() {
        let input = Value::from_json_str(r#"{"parsed_body": null, "attributes": {"request": {"http": {}}}}"#)
            .unwrap();
        let missing = |read: &str, phase| unrecorded_read(&input, phase, &paths(&[read]));
        let headers = "attributes.request.http.headers.x-role";
        assert_eq!(
            missing(headers, Phase::Request).as_deref(),
            Some("input.attributes.request.http.headers")
        );
        assert_eq!(missing(headers, Phase::Connection), None);
        assert_eq!(missing("attributes.request.http.body", Phase::Request), None);
        assert_eq!(missing("parsed_body.a", Phase::Request), None);
        assert_eq!(missing("parsed_path", Phase::Request).as_deref(), Some("input.parsed_path"));
        assert_eq!(missing("attributes.source.principal", Phase::Request), None);
        assert_eq!(missing("sidegate.source.uri_sans", Phase::Request), None);
        let input = Value::from_json_str(r#"{"sidegate": {"phase": "connection"}}"#).unwrap();
        let missing = unrecorded_read(&input, Phase::Connection, &paths(&["sidegate.source.uri_sans"]));
        assert_eq!(missing.as_deref(), Some("input.sidegate.source"));
    }

    #[test]
    fn the_rest_of_a_result_stays() {
        let value = |text: &str| Value::from_json_str(text).unwrap();
        let result = value(
            r#"{"allowed": true, "headers": {"authorization": "x", "a": "b"}, "list": [{"k": 1, "l": 2}]}"#,
        );
        let hidden =
            ["/result/headers/authorization", "/result/list/0/k", "/result/none/x", "/input/allowed"];
        let hidden = hidden.map(Pointer::read);
        let rest = value(r#"{"allowed": true, "headers": {"a": "b"}, "list": [{"l": 2}]}"#);
        assert_eq!(without_hidden(&result, &hidden), rest);
        assert!(!hides_result(&hidden));
        assert!(
            hides_result(&[Pointer::read("/result")]) && hides_result(&[Pointer::read("/result/allowed")])
        );
    }
}
