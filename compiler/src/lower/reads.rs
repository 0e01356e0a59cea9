//! Which base data a plan was made from: what a slice has to keep, and what it has to be made anew for.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

use super::Path;

/// Paths below `data` that were looked at. A path that leads nowhere is one, too: that there is nothing is
/// what the plan was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// Everything from here on.
    whole: BTreeSet<Path>,
    /// Objects of which the keys alone count.
    keys: BTreeSet<Path>,
}

impl Reads {
    /// Notes that everything at a path counts.
    pub(crate) fn whole(&mut self, path: Path) {
        self.whole.insert(path);
    }

    /// Notes that the keys of an object count.
    pub(crate) fn keys(&mut self, path: Path) {
        self.keys.insert(path);
    }

    /// The paths, without those that another one covers; with each whether all of it counts.
    pub(crate) fn paths(&self) -> Vec<(&[String], bool)> {
        let covered = |path: &[String], strictly: bool| {
            let ends = if strictly { 0..path.len() } else { 0..path.len().saturating_add(1) };
            ends.into_iter().any(|len| path.get(..len).is_some_and(|start| self.whole.contains(start)))
        };
        let whole = self.whole.iter().filter(|path| !covered(path, true));
        let keys = self.keys.iter().filter(|path| !covered(path, false));
        let whole = whole.map(|path| (path.as_slice(), true));
        whole.chain(keys.map(|path| (path.as_slice(), false))).collect()
    }

    /// The part of `data` that was looked at.
    pub(crate) fn cut(&self, data: &Value) -> Value {
        let mut wanted = Wanted::default();
        for (path, whole) in self.paths() {
            let at = path.iter().fold(&mut wanted, |at, key| at.children.entry(key).or_default());
            at.whole |= whole;
            at.keys |= !whole;
        }
        wanted.of(data).unwrap_or_else(Value::new_object)
    }
}

#[derive(Default)]
struct Wanted<'r> {
    whole: bool,
    keys: bool,
    children: BTreeMap<&'r str, Wanted<'r>>,
}

impl Wanted<'_> {
    fn of(&self, value: &Value) -> Option<Value> {
        if self.whole {
            return (*value != Value::Undefined).then(|| value.clone());
        }
        value.as_object().ok()?;
        let kept = self.children.iter().filter_map(|(key, wanted)| {
            let key = Value::from(*key);
            let part = wanted.of(&value[&key])?;
            Some((key, part))
        });
        let kept: BTreeMap<Value, Value> = kept.collect();
        (self.keys || !kept.is_empty()).then(|| Value::from(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        text.split('/').filter(|key| !key.is_empty()).map(str::to_owned).collect()
    }

    fn cut(whole: &[&str], keys: &[&str], data: &str) -> String {
        let mut reads = Reads::default();
        whole.iter().for_each(|text| reads.whole(path(text)));
        keys.iter().for_each(|text| reads.keys(path(text)));
        reads.cut(&Value::from_json_str(data).unwrap()).to_string()
    }

    #[test]
    fn what_was_looked_at_stays_and_nothing_else() {
        let data = r#"{"a":{"b":{"c":1,"d":[2]},"e":null},"f":false,"g":{}}"#;
        assert_eq!(cut(&["a/b/c"], &[], data), r#"{"a":{"b":{"c":1}}}"#);
        assert_eq!(cut(&["a/b", "a/b/c", "f"], &[], data), r#"{"a":{"b":{"c":1,"d":[2]}},"f":false}"#);
        assert_eq!(cut(&["a/none", "none/a", "f/x", "a/e"], &[], data), r#"{"a":{"e":null}}"#);
        assert_eq!(cut(&["a/b/none"], &["a", "g", "none", "f"], data), r#"{"a":{},"g":{}}"#);
        assert_eq!(cut(&[], &[], data), "{}");
        assert_eq!(cut(&[""], &["a"], data), data);
    }
}
