//! Writing a table.

use std::collections::{BTreeMap, BTreeSet};

use super::lookup::{Entry, Lookup};
use super::parts::{Callers, Changes, Clause, Parts, Shape, Side, Test};
use super::path::hash_of;
use super::sets::{self, SetAt};
use super::{MAX_PARTS, hash, spec};
use crate::decision::is_header_name;
use crate::needs::PARTIAL_BODY;

/// Hashes are tried until few entries are in one bucket; so many at most.
const SEEDS: u32 = 32;
const FEW: u32 = 3;

/// The bytes of a table: the same for the same.
///
/// # Errors
/// What a table cannot say.
pub fn write(spec: &spec::Spec) -> Written<Vec<u8>> {
    let spec::Spec { status, own_names, allow, deny, base, changes } = spec;
    let mut writer = Writer::default();
    let parts = Parts {
        own_names: writer.names(own_names)?,
        allow: allow.as_ref().map(|side| writer.side(side, true)).transpose()?,
        deny: deny.as_ref().map(|side| writer.side(side, false)).transpose()?,
        base: base.as_ref().map(|side| writer.side(side, false)).transpose()?,
        status: *status,
        changes: changes.as_ref().map(headers).transpose()?,
    };
    let Writer { sets, words, text, .. } = writer;
    let length = |length: usize| u32::try_from(length).map_err(|_| TOO_LARGE);
    let lengths = (length(sets.len())?, length(words.len())?, length(text.len())?);
    let mut bytes = postcard::to_extend(&parts, Vec::new())
        .and_then(|bytes| postcard::to_extend(&lengths, bytes))
        .map_err(|_| TOO_LARGE)?;
    bytes.extend(sets.iter().chain(&words).flat_map(|word| word.to_le_bytes()));
    bytes.extend(text);
    Ok(bytes)
}

type Written<T> = Result<T, &'static str>;

/// What shapes have in common that are looked up together: parts, the least of an open one, which parts are text.
type Kind = (usize, Option<usize>, u32);

const TOO_LARGE: &str = "it is too large";

#[derive(Default)]
struct Writer {
    sets: Vec<u32>,
    /// Where a set is that is already there.
    known: BTreeMap<Vec<u32>, SetAt>,
    words: Vec<u32>,
    text: Vec<u8>,
}

/// What is looked up: the text that is compared, the parts of it that are hashed one by one, and what it stands for.
struct Key {
    text: String,
    parts: Option<Vec<u64>>,
    value: u32,
}

impl Key {
    fn plain(text: String, value: u32) -> Self {
        Self { text, parts: None, value }
    }

    fn hash(&self, seed: u32) -> u32 {
        match &self.parts {
            Some(parts) => hash_of(seed, parts.iter().copied()),
            None => hash::finish(hash::text(seed, self.text.as_bytes())),
        }
    }
}

impl Writer {
    fn set(&mut self, numbers: impl IntoIterator<Item = u32>) -> Written<SetAt> {
        let words = sets::words(&numbers.into_iter().collect::<Vec<_>>());
        if let Some(at) = self.known.get(&words) {
            return Ok(*at);
        }
        let at = SetAt(u32::try_from(self.sets.len()).map_err(|_| TOO_LARGE)?);
        self.sets.extend(&words);
        self.known.insert(words, at);
        Ok(at)
    }

    /// Names that are only there or not.
    fn names(&mut self, names: &BTreeSet<String>) -> Written<Lookup> {
        let numbered = (0..).zip(names).map(|(number, name)| Key::plain(name.clone(), number)).collect();
        self.lookup(numbered)
    }

    fn lookup(&mut self, keys: Vec<Key>) -> Written<Lookup> {
        let entries = u32::try_from(keys.len()).map_err(|_| TOO_LARGE)?;
        if entries == 0 {
            return Ok(Lookup::default());
        }
        let buckets = entries.checked_next_power_of_two().ok_or(TOO_LARGE)?;
        let bucket = |hash: u32| hash & buckets.wrapping_sub(1);
        let most = |seed: u32| {
            let mut counts = BTreeMap::<u32, u32>::new();
            for key in &keys {
                let count = counts.entry(bucket(key.hash(seed))).or_default();
                *count = count.saturating_add(1);
            }
            counts.into_values().max().unwrap_or_default()
        };
        let (mut seed, mut fewest) = (0, u32::MAX);
        for tried in 0..SEEDS {
            let most = most(tried);
            if most < fewest {
                (seed, fewest) = (tried, most);
            }
            if fewest <= FEW {
                break;
            }
        }
        let mut hashed: Vec<(u32, Key)> = keys.into_iter().map(|key| (key.hash(seed), key)).collect();
        hashed.sort_by(|(a, one), (b, other)| (bucket(*a), a, &one.text).cmp(&(bucket(*b), b, &other.text)));
        let at = u32::try_from(self.words.len()).map_err(|_| TOO_LARGE)?;
        let (mut before, mut rest) = (0_u32, hashed.iter().map(|(hash, _)| bucket(*hash)).peekable());
        for number in 0..buckets {
            self.words.push(before);
            while rest.next_if(|bucket| *bucket == number).is_some() {
                before = before.saturating_add(1);
            }
        }
        self.words.push(before);
        for (hash, Key { text, parts: _, value }) in hashed {
            let from = u32::try_from(self.text.len()).map_err(|_| TOO_LARGE)?;
            let length = u32::try_from(text.len()).map_err(|_| TOO_LARGE)?;
            self.text.extend(text.as_bytes());
            self.words.extend(Entry { hash, from, length, value }.words());
        }
        Ok(Lookup { seed, at, buckets, entries })
    }

    fn side(&mut self, side: &spec::Side, is_allow: bool) -> Written<Side> {
        let spec::Side { clauses, callers, paths } = side;
        let count = u32::try_from(clauses.len()).map_err(|_| TOO_LARGE)?;
        let mut named = callers.values().chain(paths.values()).flatten();
        if named.any(|clause| *clause >= count) {
            return Err("a clause is named that is not there");
        }
        let methods: BTreeSet<&String> =
            clauses.iter().filter_map(|clause| clause.methods.as_ref()).flatten().collect();
        let methods: BTreeMap<&String, u32> = methods.into_iter().zip(0..).collect();
        let callers = self.callers(callers)?;
        let (mut every, mut exact) = (None, Vec::new());
        let mut shapes = BTreeMap::<Kind, Vec<Key>>::new();
        for (paths, clauses) in paths {
            let set = self.set(clauses.iter().copied())?;
            match paths {
                spec::Paths::Every => every = Some(set),
                spec::Paths::Exact(path) => exact.push(Key::plain(path.clone(), set.0)),
                spec::Paths::Shape(shape) => {
                    let (kind, key) = shape_key(shape, set)?;
                    shapes.entry(kind).or_default().push(key);
                }
            }
        }
        let exact = self.lookup(exact)?;
        let (mut closed, mut open) = (Vec::new(), Vec::new());
        for ((parts, least, literal), keys) in shapes {
            let paths = self.lookup(keys)?;
            let number = u32::try_from(least.unwrap_or(parts)).map_err(|_| TOO_LARGE)?;
            let narrow = u8::try_from(parts).map_err(|_| TOO_LARGE)?;
            let shape = Shape { parts: narrow, least: number, literal, paths };
            if least.is_some() {
                open.push(shape);
                continue;
            }
            if closed.len() <= parts {
                closed.resize_with(parts.saturating_add(1), Vec::new);
            }
            if let Some(same) = closed.get_mut(parts) {
                same.push(shape);
            }
        }
        let clauses = clauses.iter().map(|clause| self.clause(clause, &methods, is_allow));
        let clauses = clauses.collect::<Result<_, _>>()?;
        let methods = methods.into_iter().map(|(method, number)| Key::plain(method.clone(), number));
        let methods = self.lookup(methods.collect())?;
        Ok(Side { clauses, methods, callers, every, exact, closed, open })
    }

    fn callers(&mut self, callers: &BTreeMap<spec::Caller, BTreeSet<u32>>) -> Written<Callers> {
        let mut keys: [Vec<Key>; 6] = Default::default();
        let [own_account, own_namespace, account, namespace, trust_domain, principal] = &mut keys;
        let (mut authenticated, mut anonymous, mut everyone) = (None, None, None);
        for (caller, clauses) in callers {
            let set = self.set(clauses.iter().copied())?;
            let (keys, text) = match caller {
                spec::Caller::OwnAccount(namespace, account) => {
                    (&mut *own_account, format!("{}/sa/{}", part(namespace)?, part(account)?))
                }
                spec::Caller::OwnNamespace(namespace) => (&mut *own_namespace, part(namespace)?.to_owned()),
                spec::Caller::Account(domain, namespace, name) => {
                    (&mut *account, format!("{}/ns/{}/sa/{}", part(domain)?, part(namespace)?, part(name)?))
                }
                spec::Caller::Namespace(domain, name) => {
                    (&mut *namespace, format!("{}/ns/{}", part(domain)?, part(name)?))
                }
                spec::Caller::TrustDomain(domain) => (&mut *trust_domain, part(domain)?.to_owned()),
                spec::Caller::Principal(name) => (&mut *principal, name.clone()),
                spec::Caller::Authenticated => {
                    authenticated = Some(set);
                    continue;
                }
                spec::Caller::Anonymous => {
                    anonymous = Some(set);
                    continue;
                }
                spec::Caller::Everyone => {
                    everyone = Some(set);
                    continue;
                }
            };
            keys.push(Key::plain(text, set.0));
        }
        let [own_account, own_namespace, account, namespace, trust_domain, principal] = keys;
        Ok(Callers {
            own_account: self.lookup(own_account)?,
            own_namespace: self.lookup(own_namespace)?,
            account: self.lookup(account)?,
            namespace: self.lookup(namespace)?,
            trust_domain: self.lookup(trust_domain)?,
            principal: self.lookup(principal)?,
            authenticated,
            anonymous,
            everyone,
        })
    }

    fn clause(
        &mut self,
        clause: &spec::Clause,
        numbers: &BTreeMap<&String, u32>,
        is_allow: bool,
    ) -> Written<Clause> {
        let spec::Clause { methods, tests } = clause;
        let methods = match methods {
            Some(methods) => {
                let mut numbers: Vec<u32> =
                    methods.iter().filter_map(|method| numbers.get(method)).copied().collect();
                numbers.sort_unstable();
                Some(self.set(numbers)?)
            }
            None => None,
        };
        let tests = tests.iter().map(|test| self.test(test, is_allow)).collect::<Result<_, _>>()?;
        Ok(Clause { methods, tests })
    }

    fn test(&mut self, test: &spec::Test, is_allow: bool) -> Written<Test> {
        Ok(match test.clone() {
            spec::Test::HeaderBegins(name, text) if is_allow => Test::HeaderBegins(header(name)?, text),
            spec::Test::HeaderBegins(..) => return Err("a deny asks how a header's whole value begins"),
            spec::Test::HeaderExact(name, text) => Test::HeaderExact(header(name)?, text),
            spec::Test::HeaderPrefix(name, text) => Test::HeaderPrefix(header(name)?, text),
            spec::Test::HeaderPresent(name) => Test::HeaderPresent(header(name)?),
            spec::Test::HeaderAbsent(name) => Test::HeaderAbsent(header(name)?),
            spec::Test::Host(exact, suffixes) => Test::Host(self.names(&exact)?, suffixes),
            spec::Test::Port(ports) => Test::Port(self.set(ports.into_iter().map(u32::from))?),
            spec::Test::Source(networks) => Test::Source(networks),
            spec::Test::Metadata(filter, path, values) if path.len() > 1 => {
                Test::Metadata(filter, path, self.names(&values)?)
            }
            spec::Test::Metadata(..) => return Err("a condition asks for a filter's metadata as a whole"),
        })
    }
}

/// How paths of a shape are looked up, and by what this one is found.
fn shape_key(spec::Shape { parts, open }: &spec::Shape, set: SetAt) -> Written<(Kind, Key)> {
    if parts.len() > MAX_PARTS || open.is_some_and(|least| least < parts.len()) {
        return Err("a path with variables has too many segments");
    }
    let (mut literal, mut texts) = (0_u32, Vec::new());
    for (at, part) in parts.iter().enumerate() {
        if let Some(part) = part {
            literal |= 1 << at;
            texts.push(part.as_str());
        }
    }
    if texts.iter().any(|part| part.contains('/')) {
        return Err("a segment has a slash");
    }
    let hashes = texts.iter().map(|part| hash::text(0, part.as_bytes())).collect();
    Ok(((parts.len(), *open, literal), Key { text: texts.join("/"), parts: Some(hashes), value: set.0 }))
}

fn headers(changes: &spec::Changes) -> Written<[Changes; 2]> {
    let spec::Changes { set: [request, response], remove: [gone, response_gone] } = changes;
    let side = |set: &BTreeMap<String, Vec<spec::Piece>>, remove: &[String]| {
        let pieces = set.values().flatten();
        for piece in pieces {
            if let spec::Piece::Header(name) = piece {
                header(name.clone())?;
            }
        }
        if !set.keys().chain(remove).all(|name| is_header_name(name)) {
            return Err("a header is changed that cannot be");
        }
        Ok(Changes { set: set.clone().into_iter().collect(), remove: remove.to_vec() })
    };
    Ok([side(request, gone)?, side(response, response_gone)?])
}

/// A header that is read. Envoy's mark on a body is not the request's, and a name with `!` could be what one of other
/// bytes reads as.
fn header(name: String) -> Written<String> {
    if is_header_name(&name) && name != PARTIAL_BODY && !name.contains('!') {
        return Ok(name);
    }
    Err("a header is asked for that is the plan's to read")
}

/// A part of a principal.
fn part(text: &str) -> Written<&str> {
    if text.is_empty() || text.contains('/') { Err("a part of a principal is none") } else { Ok(text) }
}
