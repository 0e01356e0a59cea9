use regorus::Value;

use super::*;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::attributes::{Attributes, Workload};
use crate::input::InputBuilder;
use crate::needs::Needs;

fn place(path: &[&str]) -> Place {
    Place::of(path.iter().map(|key| Value::from(*key)).collect())
}

fn places() -> Vec<Place> {
    let header = |name| place(&["attributes", "request", "http", "headers", name]);
    vec![
        place(&["source_principal"]),
        header("x-a"),
        header("x-b"),
        place(&["parsed_query", "q"]),
        place(&["sidegate", "source"]),
    ]
}

fn attributes(headers: &[(&str, &str)], principal: &str) -> Attributes {
    Attributes {
        headers: headers.iter().copied().collect(),
        peer_uri_sans: vec![principal.as_bytes().to_vec()],
        ..Attributes::default()
    }
}

fn kept(status: u16) -> Kept {
    Kept { actions: Actions::deny(status), waived: None, error: None }
}

fn status(looked: &Looked) -> Option<u16> {
    match looked {
        Looked::Found(Kept { actions: Actions::Deny { status, .. }, .. }) => Some(*status),
        _ => None,
    }
}

/// The status that is kept for these attributes; kept anew as `new` where there is none.
fn ask(cache: &mut Cache, attributes: &Attributes, new: u16) -> Option<u16> {
    let (builder, needs) = (InputBuilder::new(&Workload::default()), Needs::all());
    let request = builder.request(&needs, attributes).unwrap();
    let looked = cache.look(&request);
    let found = status(&looked);
    if let Looked::Missing(slot) = looked {
        cache.keep(slot, kept(new));
    }
    found
}

#[test]
fn requests_that_say_the_same_share_a_decision_and_no_others() {
    let mut cache = Cache::new(places(), 4096, [1; 16]);
    let all = [
        attributes(&[], "p"),
        attributes(&[], "q"),
        attributes(&[("x-a", "")], "p"),
        attributes(&[("x-b", "")], "p"),
        attributes(&[("x-a", "1")], "p"),
        attributes(&[("x-b", "1")], "p"),
        attributes(&[("x-a", "1"), ("x-b", "1")], "p"),
        attributes(&[("x-a", "1,1")], "p"),
        attributes(&[("x-a", "11")], "p"),
        attributes(&[(":path", "/?q=1")], "p"),
        attributes(&[(":path", "/?q=1&q=2")], "p"),
        attributes(&[(":path", "/?q=1%2C2")], "p"),
        attributes(&[(":path", "/?q=")], "p"),
    ];
    for (number, attributes) in (400..).zip(&all) {
        assert_eq!(ask(&mut cache, attributes, number), None, "{attributes:?}");
    }
    for (number, attributes) in (400..).zip(&all) {
        assert_eq!(ask(&mut cache, attributes, 0), Some(number), "{attributes:?}");
    }
    // What is not read does not matter.
    assert_eq!(ask(&mut cache, &attributes(&[("x-c", "1"), (":path", "/other?r=1")], "p"), 0), Some(400));
    // Two values are one, as in the input.
    assert_eq!(ask(&mut cache, &attributes(&[("x-a", "1"), ("x-a", "1")], "p"), 0), Some(407));
}

#[test]
fn what_is_long_is_not_kept() {
    let mut cache = Cache::new(places(), 4096, [1; 16]);
    let long = attributes(&[("x-a", &"a".repeat(3000))], "p");
    for _ in 0..2 {
        assert_eq!(ask(&mut cache, &long, 401), None);
    }
    let (builder, needs) = (InputBuilder::new(&Workload::default()), Needs::all());
    let short = attributes(&[], "p");
    let request = builder.request(&needs, &short).unwrap();
    let mut deny = kept(403);
    if let Actions::Deny { body, .. } = &mut deny.actions {
        *body = "a".repeat(SET_BYTES);
    }
    let many = (0..1000_u32).map(Value::from).collect::<Vec<_>>();
    let told = Actions::Allow {
        request_headers: Vec::new(),
        path: None,
        response_headers: Vec::new(),
        dynamic_metadata: Some(Value::from(many)),
    };
    for kept in [deny, Kept { actions: told, waived: None, error: None }] {
        let Looked::Missing(slot) = cache.look(&request) else { panic!("it is empty") };
        cache.keep(slot, kept);
        assert!(matches!(cache.look(&request), Looked::Missing(_)));
    }
}

#[test]
fn a_flood_of_keys_finds_its_bound() {
    for entries in [1, 64, 4096] {
        let mut cache = Cache::new(places(), entries, [3; 16]);
        for number in 0..10_000_u32 {
            let long = "a".repeat(usize::try_from(number % 1500).unwrap());
            ask(&mut cache, &attributes(&[("x-a", &number.to_string()), ("x-b", &long)], "p"), 400);
        }
        assert_eq!(cache.sets.len(), entries.div_ceil(WAYS));
        for set in &cache.sets {
            let taken: usize = set.entries.iter().map(|entry| entry.bytes).sum();
            assert!(set.entries.len() <= WAYS && taken <= SET_BYTES);
        }
    }
}

#[test]
fn what_answers_often_stays() {
    let mut cache = Cache::new(places(), 4, [3; 16]);
    let often = attributes(&[("x-a", "often")], "p");
    ask(&mut cache, &often, 401);
    for number in 0..100_u32 {
        assert_eq!(ask(&mut cache, &often, 0), Some(401), "{number}");
        ask(&mut cache, &attributes(&[("x-a", &number.to_string())], "p"), 400);
    }
}

#[test]
fn where_a_key_falls_depends_on_the_seed() {
    let set_of = |seed| {
        let mut cache = Cache::new(places(), 4096, seed);
        let (builder, needs) = (InputBuilder::new(&Workload::default()), Needs::all());
        let attributes = attributes(&[], "p");
        match cache.look(&builder.request(&needs, &attributes).unwrap()) {
            Looked::Missing(slot) => slot.set,
            other => panic!("it is empty, got {other:?}"),
        }
    };
    let sets: std::collections::BTreeSet<usize> = (0..16).map(|byte| set_of([byte; 16])).collect();
    assert!(sets.len() > 10, "{sets:?}");
}
