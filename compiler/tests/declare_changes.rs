//! Whatever two states decide differently is in a line of the plan, and every line has a request for that. What an explanation says to write allows what was asked for, and nothing else.
//!
//! `SIDEGATE_CHANGES` and `SIDEGATE_DECLARE_SEED` choose how many are tried and where they start.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test that fails may panic"
)]

#[path = "declare/mod.rs"]
#[allow(dead_code, reason = "others use more of it")]
mod declare;

use std::collections::BTreeSet;

use serde_json::Value as Json;
use sidegate_compiler::declare::{self as declared, Access, CallerClass, Mesh, Methods, Who};
use sidegate_engine::Value;
use sidegate_engine::eval::Context;

use declare::generate::{self, Random};
use declare::model::{self, Declaration, Request};
use declare::paths::{read_path, template};
use declare::requests;
use declare::sides;

const OWN: &str = "cluster.local";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A declaration that is there.
fn declaration(random: &mut Random) -> Declaration {
    Declaration { is_undeclared: false, ..generate::declaration(random) }
}

/// Another state: rules come and go.
fn changed(random: &mut Random, old: &Declaration) -> Declaration {
    let other = generate::declaration(random);
    let mut new = old.clone();
    new.may_widen ^= random.below(10) == 0;
    if random.below(5) == 0 {
        new.base = other.base.clone();
    }
    for (own, others) in [(&mut new.allow, other.allow), (&mut new.deny, other.deny)] {
        own.retain(|_| random.below(10) < 7);
        own.extend(others.into_iter().filter(|_| random.below(10) < 4));
        for rule in own.iter_mut() {
            match random.below(12) {
                0 => rule.when.clear(),
                1 => rule.to.truncate(1),
                2 => rule.from.iter_mut().for_each(|from| from.truncate(1)),
                3 => rule.to.iter_mut().for_each(|target| {
                    target.methods.truncate(1);
                    target.hosts.truncate(1);
                }),
                _ => {}
            }
        }
    }
    if random.below(10) == 0 {
        new.aliases = other.aliases;
    }
    // A deny of nothing at all is no rule, nor is an allow without callers.
    new.deny.retain(|rule| rule.from.is_some() || !rule.to.is_empty() || !rule.when.is_empty());
    for rule in new.allow.iter_mut().chain(&mut new.deny) {
        rule.to.retain(|target| {
            !(target.methods.is_empty()
                && target.paths.is_empty()
                && target.grpc.is_empty()
                && target.hosts.is_empty()
                && target.ports.is_empty())
        });
    }
    new.deny.retain(|rule| rule.from.is_some() || !rule.to.is_empty() || !rule.when.is_empty());
    new
}

/// What both states name.
struct Named {
    domains: BTreeSet<String>,
    /// With the trust domain, where one is said.
    namespaces: BTreeSet<(Option<String>, String)>,
    accounts: BTreeSet<(String, String)>,
    principals: BTreeSet<String>,
    /// Of both.
    aliases: BTreeSet<String>,
}

fn named(meshes: [&Mesh; 2]) -> Named {
    let mut named = Named {
        domains: BTreeSet::from([OWN.to_owned()]),
        namespaces: BTreeSet::new(),
        accounts: BTreeSet::new(),
        principals: BTreeSet::new(),
        aliases: meshes[0]
            .trust_domain_aliases
            .iter()
            .filter(|alias| meshes[1].trust_domain_aliases.contains(alias))
            .cloned()
            .collect(),
    };
    for mesh in meshes {
        named.domains.extend(mesh.trust_domain_aliases.iter().cloned());
        let rules = mesh.services.iter().flat_map(|service| service.allow.iter().chain(&service.deny));
        let rules = rules.chain(&mesh.base.deny);
        for caller in rules.flat_map(|rule| rule.from.iter().flatten()) {
            match caller.who.clone() {
                Who::ServiceAccount { trust_domain, namespace, service_account } => {
                    named.domains.extend(trust_domain.clone());
                    named.namespaces.insert((trust_domain, namespace.clone()));
                    named.accounts.insert((namespace, service_account));
                }
                Who::Namespace { trust_domain, namespace } => {
                    named.domains.extend(trust_domain.clone());
                    named.namespaces.insert((trust_domain, namespace));
                }
                Who::TrustDomain(domain) => {
                    named.domains.insert(domain);
                }
                Who::Principal(principal) => {
                    named.principals.insert(principal);
                }
                Who::Authenticated | Who::Anonymous => {}
            }
        }
    }
    named
}

fn spiffe(name: &str) -> Option<(&str, &str, &str)> {
    match name.split('/').collect::<Vec<_>>().as_slice() {
        ["spiffe:", "", td, "ns", ns, "sa", sa] if !td.is_empty() && !ns.is_empty() && !sa.is_empty() => {
            Some((td, ns, sa))
        }
        _ => None,
    }
}

/// Whether a caller is of a class, as the class's name says it.
fn is_of(class: &CallerClass, request: &Request, named: &Named) -> bool {
    let principal = request.principal.as_deref().filter(|name| !name.is_empty());
    let Some(principal) = principal else { return *class == CallerClass::Anonymous };
    if *class == CallerClass::Authenticated {
        return true;
    }
    let is_named = |ns: &str, sa: &str| named.accounts.contains(&(ns.to_owned(), sa.to_owned()));
    if let CallerClass::One { principal: one } = class {
        return one == principal;
    }
    if named.principals.contains(principal) && !matches!(class, CallerClass::Namespace { .. }) {
        return false;
    }
    match (class, spiffe(principal)) {
        (
            CallerClass::OthersOfNamespace { trust_domain, namespace }
            | CallerClass::Namespace { trust_domain, namespace },
            Some((td, ns, _)),
        ) => trust_domain == td && namespace == ns,
        (CallerClass::OthersOfTrustDomain { trust_domain }, Some((td, ns, _))) => {
            let mut named = named.namespaces.iter();
            let is_said = |(domain, namespace): &(Option<String>, String)| {
                namespace == ns && domain.as_deref().is_none_or(|domain| domain == td)
            };
            trust_domain == td && !named.any(is_said)
        }
        (
            CallerClass::OthersOfTrustDomain { trust_domain } | CallerClass::OddNames { trust_domain },
            None,
        ) => {
            principal.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next()) == Some(trust_domain)
        }
        (CallerClass::Elsewhere { namespace, service_account }, Some((td, ns, sa))) => {
            !named.domains.contains(td)
                && namespace == ns
                && service_account.as_ref().map_or(!is_named(ns, sa), |account| account == sa)
        }
        (CallerClass::Others, Some((td, ..))) => !named.domains.contains(td),
        (CallerClass::Others, None) => true,
        _ => false,
    }
}

fn covers(access: &Access, request: &Request, named: &Named) -> bool {
    let method = request.method.as_deref().unwrap();
    let has = |names: &[String]| names.contains(&method.to_owned());
    let is_method = match &access.methods {
        Methods::Any => true,
        Methods::AnyBut(names) => !has(names),
        Methods::These(names) => has(names) || names.contains(&method.to_uppercase()),
    };
    let path = request.path.as_deref().unwrap().split('?').next().unwrap();
    let decoded = read_path(path).unwrap();
    let is_path = access.paths.is_empty()
        || access.paths.iter().any(|wanted| {
            let wanted = match (access.grpc, wanted.strip_suffix("/*")) {
                (true, Some(service)) => format!("/{service}/{{m}}"),
                (true, None) => format!("/{wanted}"),
                (false, _) => wanted.clone(),
            };
            template(&wanted, path, false) || template(&wanted, &decoded, true)
        });
    // Other names of the trust domain go without saying.
    let renamed = request.principal.as_ref().and_then(|name| {
        let (td, ns, sa) = spiffe(name)?;
        named.aliases.contains(td).then(|| format!("spiffe://{OWN}/ns/{ns}/sa/{sa}"))
    });
    let renamed = Request { principal: renamed.or(request.principal.clone()), ..request.clone() };
    let is_caller = |class: &CallerClass| is_of(class, request, named) || is_of(class, &renamed, named);
    is_method && is_path && access.callers.iter().any(is_caller)
}

fn is_allowed(policy: &sidegate_engine::policy::Policy, input: &Json) -> bool {
    let answer = policy.evaluate(&Value::from(input.clone()), &Context::default()).unwrap();
    sides::json_of(&answer)["allowed"] == true
}

#[test]
fn a_plan_has_every_difference_and_nothing_else() {
    let (first, count) = (setting("SIDEGATE_DECLARE_SEED", 1), setting("SIDEGATE_CHANGES", 300));
    let (mut differ, mut lines, mut uncertain, mut failures) = (0_u64, 0_u64, 0_u64, Vec::new());
    for seed in first..first + count {
        let mut random = Random(seed);
        let old = declaration(&mut random);
        let new = changed(&mut random, &old);
        let meshes = [sides::mesh(&old), sides::mesh(&new)];
        let plan = declared::plan(&meshes[0], &meshes[1], OWN);
        let (gains, loses) =
            plan.services.first().map(|s| (s.gains.clone(), s.loses.clone())).unwrap_or_default();
        let named = named([&meshes[0], &meshes[1]]);
        for _ in 0..400 {
            let around = if random.below(2) == 0 { &old } else { &new };
            let request = requests::request(&mut random, around);
            // One trust domain; and several names are a caller for Rego that may widen alone.
            let name: Vec<String> =
                request.principal.iter().filter(|name| !name.is_empty()).cloned().collect();
            let is_one = request.uris.as_ref().is_none_or(|uris| *uris == name);
            if request.method.is_none() || request.own.as_deref() == Some("spiffe://td2") || !is_one {
                continue;
            }
            let answers = [&old, &new].map(|state| model::decide(state, &request)["allowed"] == true);
            let side = match answers {
                [false, true] => &gains,
                [true, false] => &loses,
                _ => continue,
            };
            differ += 1;
            if !side.iter().any(|access| covers(access, &request, &named)) {
                failures.push(format!(
                    "--- seed {seed}, {answers:?}\n{}\n{}\n{}\n{side:#?}",
                    old.shown(),
                    new.shown(),
                    request.input()
                ));
            }
        }
        let has_rego = old.rego.is_some() || old.has_base_rego;
        let policies = (seed % 5 == 0 && !has_rego)
            .then(|| [&old, &new].map(|state| sides::plan(&sides::sources(state))));
        for (access, is_gain) in gains.iter().map(|a| (a, true)).chain(loses.iter().map(|a| (a, false))) {
            lines += 1;
            let Some(example) = &access.example else {
                assert!(access.uncertain, "{access:?}");
                uncertain += 1;
                continue;
            };
            let Some([old_policy, new_policy]) = &policies else { continue };
            let answers = [is_allowed(old_policy, &example.input), is_allowed(new_policy, &example.input)];
            if answers != [!is_gain, is_gain] {
                failures.push(format!(
                    "--- seed {seed}: no witness, {answers:?}\n{}\n{}\n{access:#?}",
                    old.shown(),
                    new.shown()
                ));
            }
        }
    }
    println!("{differ} differences in {lines} lines, {uncertain} of them uncertain");
    let shown: Vec<&str> = failures.iter().take(3).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} of {differ}\n{}", failures.len(), shown.join("\n"));
    assert!(differ > count, "differences must be tried: {differ}");
}

/// Rules in another order, with other names, taken apart: nothing changes.
#[test]
fn how_it_is_written_changes_nothing() {
    let (first, count) = (setting("SIDEGATE_DECLARE_SEED", 1), setting("SIDEGATE_CHANGES", 300));
    for seed in first..first + count {
        let mut random = Random(seed);
        let old = declaration(&mut random);
        let mut new = old.clone();
        for rules in [&mut new.allow, &mut new.deny] {
            let mut apart = Vec::new();
            for rule in rules.drain(..) {
                let froms: Vec<_> = match &rule.from {
                    Some(callers) => callers.iter().map(|caller| Some(vec![caller.clone()])).collect(),
                    None => vec![None],
                };
                let tos: Vec<_> = match rule.to.as_slice() {
                    [] => vec![Vec::new()],
                    targets => targets.iter().map(|target| vec![target.clone()]).collect(),
                };
                for from in &froms {
                    for to in &tos {
                        let mut rule = rule.clone();
                        (rule.from, rule.to) = (from.clone(), to.clone());
                        apart.push(rule);
                    }
                }
            }
            apart.reverse();
            *rules = apart;
        }
        let plan = declared::plan(&sides::mesh(&old), &sides::mesh(&new), OWN);
        assert!(plan.is_empty(), "{}\n{}\n{plan:#?}", old.shown(), new.shown());
    }
}

/// The file with a line for each rule.
fn block(declaration: &Declaration) -> String {
    let mut text = String::new();
    for line in declaration.yaml().lines() {
        match ["allow", "deny"].iter().find_map(|key| Some((key, line.strip_prefix(&format!("  {key}: "))?)))
        {
            Some((key, rules)) => {
                let rules: Vec<Json> = serde_json::from_str(rules).unwrap();
                text.push_str(&format!("  {key}:\n"));
                rules.iter().for_each(|rule| text.push_str(&format!("  - {rule}\n")));
            }
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

fn read(text: &str, declaration: &Declaration) -> Mesh {
    let policy = Mesh::read_one("charges.yaml", text, "pay", &declaration.name)
        .unwrap_or_else(|findings| panic!("{text}\n{findings:#?}"));
    Mesh { services: vec![policy], trust_domain_aliases: declaration.aliases.clone(), ..Mesh::default() }
}

#[test]
fn what_an_explanation_says_to_write_allows_what_was_asked() {
    let (first, count) = (setting("SIDEGATE_DECLARE_SEED", 1), setting("SIDEGATE_CHANGES", 300));
    let mut written = 0;
    for seed in first..first + count {
        let mut random = Random(seed);
        let declaration = declaration(&mut random);
        let text = block(&declaration);
        let mesh = read(&text, &declaration);
        for _ in 0..20 {
            let request = sides::asked(&requests::request(&mut random, &declaration));
            let explained = declared::explain(&mesh, &mesh.services[0], &request);
            let Some(addition) = explained.addition else {
                assert!(explained.verdict.is_allowed || explained.advice.is_some());
                continue;
            };
            written += 1;
            let at = if addition.is_entry { "  allow:\n" } else { "spec:\n" };
            let with = text.replacen(at, &format!("{at}{}", addition.yaml), 1);
            let after = read(&with, &declaration);
            let verdict = declared::judge(&after, &after.services[0], &request);
            assert!(verdict.is_allowed, "{with}\n{request:?}");
            let own = request.own_principal.as_deref().unwrap_or_default();
            let own = own.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next());
            if own != Some(OWN) || addition.wider.is_some() {
                continue;
            }
            let plan = declared::plan(&mesh, &after, OWN);
            let [service] = plan.services.as_slice() else { panic!("{with}\n{request:?}\n{plan:#?}") };
            assert!(service.loses.is_empty());
            let path = request.path.as_deref().unwrap().split('?').next().unwrap();
            for gain in &service.gains {
                let is_path =
                    gain.paths == [path.to_owned()] || gain.grpc && format!("/{}", gain.paths[0]) == path;
                assert!(is_path && gain.paths.len() == 1, "{gain:#?}\n{request:?}");
                assert_eq!(gain.methods, Methods::These(vec![request.method.clone().unwrap()]));
                let one = |class: &CallerClass| match class {
                    CallerClass::One { principal } => {
                        Some(principal.rsplit("/ns/").next().unwrap().to_owned())
                    }
                    CallerClass::Anonymous => None,
                    other => panic!("{other:?}\n{with}"),
                };
                let asked = request.principal.as_deref().filter(|name| !name.is_empty());
                let asked = asked.map(|name| name.rsplit("/ns/").next().unwrap().to_owned());
                gain.callers.iter().for_each(|class| assert_eq!(one(class), asked, "{with}"));
            }
        }
    }
    println!("{written} additions");
    assert!(written > count, "{written}");
}
