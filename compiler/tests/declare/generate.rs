//! Random declarations. The same seed gives the same.

use super::beside::Module;
use super::model::{Caller, Condition, Declaration, Rule, Target};

/// SplitMix64.
pub(crate) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(crate) fn text(&mut self, from: &[&str]) -> String {
        self.pick(from).to_owned()
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn some<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..1 + self.below(most)).map(|_| one(self)).collect()
    }
}

const NAMESPACES: [&str; 3] = ["shop", "pay", "ops"];
const ACCOUNTS: [&str; 4] = ["web", "a.b", "axb", "cron"];
const DOMAINS: [&str; 4] = ["cluster.local", "td2", "old.example", "clusterxlocal"];
pub(super) const PATHS: [&str; 24] = [
    "/",
    "/{**}",
    "/admin",
    "/admin/",
    "/admin/{**}",
    "/v1/charges",
    "/v1/charges/{id}",
    "/v1/{a}/{b}",
    "/v1/charges/{id}/refunds",
    "/v1/{**}",
    "/v1/{x}/refunds/{**}",
    "/healthz",
    "/Admin",
    "/a.b",
    "/a+b",
    "/{id}",
    "/{id}/",
    "/v1/charges/",
    "/s",
    "/ki",
    "/a/{b}/c",
    "/shop.Cart/Add",
    "/a:b@c",
    "/v1/{id}/x",
];
const GRPC: [&str; 4] = ["shop.Cart/Add", "shop.Cart/*", "Cart/Add", "v1.charges/x"];
const METHODS: [&str; 5] = ["GET", "POST", "DELETE", "OPTIONS", "CONNECT"];
const HOSTS: [&str; 5] = ["shop.example.com", "*.example.com", "SHOP.example.com", "localhost", "*.com"];
pub(super) const HEADERS: [&str; 4] = ["x-a", "x-b", "x-request-id", "content-type"];
const VALUES: [&str; 6] = ["a", "ab", "a,b", "b", "application/grpc", ""];
const NETWORKS: [&str; 6] = ["10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "::/0", "fd00::/8", "192.168.1.128/25"];
const PATTERNS: [&str; 7] = [
    "x",
    "{source.principal}",
    "ns={source.namespace}",
    "{source.service_account}",
    "{request.id}",
    "",
    "{source.namespace}/{source.service_account}",
];

pub(super) fn principal(random: &mut Random) -> String {
    let domain = random.text(&DOMAINS);
    let (namespace, account) = (random.text(&NAMESPACES), random.text(&ACCOUNTS));
    format!("spiffe://{domain}/ns/{namespace}/sa/{account}")
}

fn domain(random: &mut Random) -> Option<String> {
    random.chance(25).then(|| random.text(&DOMAINS))
}

fn caller(random: &mut Random) -> Caller {
    match random.below(9) {
        0..=2 => Caller::Account(domain(random), random.text(&NAMESPACES), random.text(&ACCOUNTS)),
        3 | 4 => Caller::Namespace(domain(random), random.text(&NAMESPACES)),
        5 => Caller::TrustDomain(random.text(&DOMAINS)),
        6 => Caller::Principal(principal(random)),
        7 => Caller::Authenticated,
        _ => Caller::Anonymous,
    }
}

/// Each once, in the order in which they come first.
fn once<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

fn target(random: &mut Random) -> Target {
    let mut target = Target::default();
    if random.chance(15) {
        target.grpc = once(random.some(2, |random| random.text(&GRPC)));
    } else {
        if random.chance(85) {
            target.paths = once(random.some(3, |random| random.text(&PATHS)));
        }
        if random.chance(40) || target.paths.is_empty() {
            target.methods = once(random.some(3, |random| random.text(&METHODS)));
        }
    }
    if random.chance(15) {
        target.hosts = once(random.some(2, |random| random.text(&HOSTS)));
    }
    if random.chance(10) {
        target.ports = random.some(2, |random| random.pick(&[80, 8080]));
    }
    target
}

fn condition(random: &mut Random) -> Condition {
    let name = random.text(&HEADERS);
    match random.below(7) {
        0 => Condition::Exact(name, random.text(&VALUES)),
        1 => Condition::Prefix(name, random.text(&["a", "b", "application/"])),
        2 => Condition::Present(name),
        3 => Condition::Absent(name),
        4 | 5 => {
            let path: &[&str] = random.pick(&[&["sub"][..], &["realm", "roles"], &["n"]]);
            let values = once(random.some(2, |random| random.text(&["a", "b", "1", ""])));
            Condition::Claim(path.iter().map(|key| (*key).to_owned()).collect(), values)
        }
        _ => Condition::Source(once(random.some(2, |random| random.text(&NETWORKS)))),
    }
}

fn rule(random: &mut Random, is_deny: bool) -> Rule {
    let mut rule = Rule::default();
    if !is_deny || random.chance(60) {
        rule.from = Some(once(random.some(3, caller)));
    }
    if random.chance(85) || rule.from.is_none() {
        rule.to = random.some(3, target);
    }
    if random.chance(25) {
        rule.when = random.some(2, condition);
    }
    rule
}

/// A declaration of a few rules.
pub(crate) fn declaration(random: &mut Random) -> Declaration {
    let mut declaration = Declaration::default();
    if random.chance(96) {
        declaration.allow = random.some(4, |random| rule(random, false));
    }
    if random.chance(60) {
        declaration.deny = random.some(3, |random| rule(random, true));
    }
    if random.chance(30) {
        for side in 0..2 {
            let names = ["x-caller", "x-ns", "x-c"];
            for name in names {
                match random.below(4) {
                    0 => declaration.set[side].push((name.to_owned(), random.text(&PATTERNS))),
                    1 => declaration.remove[side].push(name.to_owned()),
                    _ => {}
                }
            }
        }
    }
    if random.chance(30) {
        declaration.aliases = once(random.some(2, |random| random.text(&DOMAINS)));
    }
    declaration.name = "charges".to_owned();
    if random.chance(50) {
        beside_it(&mut declaration, random);
    }
    declaration
}

/// What stands beside it, and above it.
fn beside_it(declaration: &mut Declaration, random: &mut Random) {
    declaration.is_shadow = random.chance(20);
    declaration.is_undeclared = random.chance(10);
    if random.chance(70) {
        declaration.rego = Some(Module::new(random));
        declaration.may_widen = random.chance(50);
    }
    if random.chance(40) {
        declaration.base = random.some(2, |random| rule(random, true));
    }
    declaration.has_base_rego = random.chance(20);
}
