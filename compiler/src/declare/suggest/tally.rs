//! What was called how often, in bounded memory.
//!
//! Of paths that look alike, but for their ids, so many are kept that a template can be judged by them; the rest is
//! counted. So a service that is asked for millions of ids has room for the paths that are called by name.

use std::collections::HashMap;

use serde::Serialize;

use super::look;
use super::request::{Call, Observed};

/// Different paths of one shape that are kept.
pub(super) const MAX_ALIKE: usize = 1000;

/// How often, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) count: u64,
    /// First and last, in seconds since 1970, where times are known.
    pub(super) span: Option<(i64, i64)>,
}

/// How often and when, as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct When {
    /// Requests.
    pub requests: u64,
    /// Time of the first, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Time of the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

impl Seen {
    pub(super) const NEVER: Self = Self { count: 0, span: None };

    pub(super) fn once(time: Option<i64>) -> Self {
        Self { count: 1, span: time.map(|time| (time, time)) }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.span = match (self.span, other.span) {
            (Some((first, last)), Some((other_first, other_last))) => {
                Some((first.min(other_first), last.max(other_last)))
            }
            (own, other) => own.or(other),
        };
    }

    pub(super) fn when(self) -> When {
        let date = |seconds| crate::publish::date(seconds);
        let (first, last) = self.span.map(|(first, last)| (date(first), date(last))).unzip();
        When { requests: self.count, first, last }
    }
}

/// What one caller asked of one service by one method.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) paths: HashMap<Box<str>, Seen>,
    /// Those with ids, by their shape.
    pub(super) shapes: HashMap<Box<str>, Shape>,
    /// Paths called by name that are kept.
    named: usize,
}

/// Paths that are the same but for their ids.
#[derive(Debug)]
pub(super) struct Shape {
    kept: usize,
    /// Requests to paths that are not kept.
    pub(super) beyond: Seen,
}

/// By method; gRPC has none.
type Methods = HashMap<Option<Box<str>>, Group>;

/// One service.
#[derive(Debug, Default)]
pub(super) struct Service {
    /// Its trust domain.
    pub(super) domain: String,
    /// By the caller's name.
    pub(super) callers: HashMap<Option<Box<str>>, Methods>,
}

/// Everything that was seen.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) services: HashMap<(Box<str>, Box<str>), Service>,
    kept: usize,
    max_paths: usize,
    max_kept: usize,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Kept,
    /// There is no room for another path.
    NoRoom,
    /// The service was in another trust domain before.
    OtherDomain,
}

impl Tally {
    pub(super) fn new(max_paths: usize, max_kept: usize) -> Self {
        Self { services: HashMap::new(), kept: 0, max_paths, max_kept }
    }

    /// Counts a request of a service, which may have other names than its workload.
    pub(super) fn add(
        &mut self,
        service: (&str, &str),
        request: &Observed<'_>,
        is_same: impl Fn(&str, &str) -> bool,
    ) -> Counted {
        let Observed { workload: _, domain, caller, call, time } = request;
        let seen = Seen::once(*time);
        let (method, path) = match call {
            Call::Http(method, path) => (Some(method.as_ref()), path.as_ref()),
            Call::Grpc(name) => (None, name.as_ref()),
        };
        let key = (Box::from(service.0), Box::from(service.1));
        // What is full takes no new names, either: a caller can make them up.
        let is_full = self.kept >= self.max_kept;
        if is_full && !self.services.contains_key(&key) {
            return Counted::NoRoom;
        }
        let service = self.services.entry(key).or_default();
        if service.domain.is_empty() {
            service.domain = domain.to_string();
        } else if service.domain != *domain && !is_same(&service.domain, domain) {
            return Counted::OtherDomain;
        }
        let caller: Option<Box<str>> = caller.as_deref().map(Box::from);
        if is_full && !service.callers.contains_key(&caller) {
            return Counted::NoRoom;
        }
        let methods = service.callers.entry(caller).or_default();
        let method: Option<Box<str>> = method.map(Box::from);
        if is_full && !methods.contains_key(&method) {
            return Counted::NoRoom;
        }
        let counted = methods.entry(method).or_default().add(path, seen, is_full, self.max_paths);
        self.kept += usize::from(counted == Some(true));
        if counted.is_some() { Counted::Kept } else { Counted::NoRoom }
    }
}

impl Group {
    /// Whether a path was added; nothing where there is no room for it.
    fn add(&mut self, path: &str, seen: Seen, is_full: bool, max_paths: usize) -> Option<bool> {
        if let Some(known) = self.paths.get_mut(path) {
            known.add(seen);
            return Some(false);
        }
        let (shape, has_ids) = shape(path);
        if !has_ids {
            if is_full || self.named >= max_paths {
                return None;
            }
            self.named += 1;
            self.paths.insert(path.into(), seen);
            return Some(true);
        }
        let shapes = self.shapes.len();
        match self.shapes.get_mut(shape.as_str()) {
            Some(shape) if shape.kept < MAX_ALIKE && !is_full => {
                shape.kept += 1;
                self.paths.insert(path.into(), seen);
                Some(true)
            }
            Some(shape) => {
                shape.beyond.add(seen);
                Some(false)
            }
            None if is_full || shapes >= max_paths => None,
            None => {
                self.shapes.insert(shape.into(), Shape { kept: 1, beyond: Seen::NEVER });
                self.paths.insert(path.into(), seen);
                Some(true)
            }
        }
    }
}

/// A path with `{}` for its ids, and whether it has any.
pub(crate) fn shape(path: &str) -> (String, bool) {
    let mut has_ids = false;
    let segments: Vec<&str> = path
        .split('/')
        .map(|segment| {
            let is_id = look::is_id(segment);
            has_ids |= is_id;
            if is_id { "{}" } else { segment }
        })
        .collect();
    (segments.join("/"), has_ids)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn get(path: String) -> Observed<'static> {
        Observed {
            workload: (Cow::Borrowed("pay"), Cow::Borrowed("charges")),
            domain: Cow::Borrowed("td"),
            caller: None,
            call: Call::Http(Cow::Borrowed("GET"), Cow::Owned(path)),
            time: Some(7),
        }
    }

    fn paths(tally: &Tally) -> usize {
        let groups =
            tally.services.values().flat_map(|service| service.callers.values().flat_map(HashMap::values));
        groups.map(|group| group.paths.len()).sum()
    }

    #[test]
    fn ids_leave_room_for_names() {
        let mut tally = Tally::new(10, 100_000);
        for id in 0..5000 {
            assert_eq!(
                tally.add(("pay", "charges"), &get(format!("/v1/charges/{id}")), |_, _| false),
                Counted::Kept
            );
        }
        for name in 0..20 {
            let counted = tally.add(("pay", "charges"), &get(format!("/x{name}")), |_, _| false);
            assert_eq!(counted, if name < 10 { Counted::Kept } else { Counted::NoRoom });
        }
        assert_eq!(paths(&tally), MAX_ALIKE + 10);
        let beyond: u64 = tally
            .services
            .values()
            .flat_map(|service| service.callers.values().flat_map(HashMap::values))
            .flat_map(|group| group.shapes.values().map(|shape| shape.beyond.count))
            .sum();
        assert_eq!(beyond, 4000);
    }

    #[test]
    fn all_of_it_is_bounded() {
        let mut tally = Tally::new(1000, 50);
        let mut refused = 0;
        for n in 0..500_u32 {
            let mut request = get(format!("/a{n}"));
            request.caller = Some(Cow::Owned(format!("spiffe://td/ns/a/sa/b{n}")));
            let service = format!("s{n}");
            refused += u32::from(tally.add(("pay", &service), &request, |_, _| false) == Counted::NoRoom);
        }
        assert_eq!((paths(&tally), refused, tally.services.len()), (50, 450, 50));
    }

    #[test]
    fn one_service_has_one_trust_domain() {
        let mut tally = Tally::new(10, 10);
        let mut request = get("/".to_owned());
        assert_eq!(tally.add(("a", "b"), &request, |_, _| false), Counted::Kept);
        request.domain = Cow::Borrowed("other");
        assert_eq!(tally.add(("a", "b"), &request, |_, _| true), Counted::Kept);
        assert_eq!(tally.add(("a", "b"), &request, |_, _| false), Counted::OtherDomain);
    }
}
