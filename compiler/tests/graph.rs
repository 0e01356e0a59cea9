//! Who may call whom: that the graph says what the declarations say, and that its pictures can be read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test that fails may panic"
)]

#[allow(dead_code, reason = "what declarations mean is written down for other tests, too")]
#[path = "declare/mod.rs"]
mod declare;
#[path = "graph/meshes.rs"]
mod meshes;
#[path = "graph/sparse.rs"]
mod sparse;

use std::collections::{BTreeMap, BTreeSet};

use sidegate_compiler::declare::Mesh;
use sidegate_compiler::graph::{Graph, Limit, Selection, View, dot, html, svg, text};

use declare::generate::{self, Random};
use declare::model::{self, Caller, Declaration};
use declare::requests;
use meshes::{HOSTILE, hostile, mesh, sample};

fn id(caller: &Caller, services: &BTreeMap<(String, String), Declaration>) -> String {
    let of = |domain: &Option<String>| domain.as_ref().map(|name| format!("@{name}")).unwrap_or_default();
    match caller {
        Caller::Account(None, namespace, name)
            if services.contains_key(&(namespace.clone(), name.clone())) =>
        {
            format!("service:{namespace}/{name}")
        }
        Caller::Account(domain, namespace, name) => format!("account:{namespace}/{name}{}", of(domain)),
        Caller::Namespace(domain, namespace) => format!("namespace:{namespace}{}", of(domain)),
        Caller::TrustDomain(domain) => format!("trust-domain:{domain}"),
        Caller::Principal(principal) => format!("principal:{principal}"),
        Caller::Authenticated => "authenticated".to_owned(),
        Caller::Anonymous => "anonymous".to_owned(),
    }
}

type Edges = BTreeSet<(String, String, Vec<usize>)>;

fn edges(graph: &Graph) -> Edges {
    let id = |node: usize| graph.kind(node).unwrap().id();
    graph.edges.iter().map(|edge| (id(edge.from), id(edge.to), edge.rules.clone())).collect()
}

#[test]
fn edges_are_those_that_the_declarations_say() {
    for seed in 0..500 {
        let mut random = Random(seed);
        let mut services = BTreeMap::new();
        for namespace in ["shop", "pay", "else"] {
            for name in ["web", "axb", "cron"] {
                if random.below(3) > 0 {
                    let key = (namespace.to_owned(), name.to_owned());
                    services.insert(key, generate::declaration(&mut random));
                }
            }
        }
        let mut wanted: BTreeMap<(String, String), BTreeSet<usize>> = BTreeMap::new();
        for ((namespace, name), declaration) in &services {
            for (at, rule) in declaration.allow.iter().enumerate() {
                for caller in rule.from.iter().flatten() {
                    let ends = (id(caller, &services), format!("service:{namespace}/{name}"));
                    wanted.entry(ends).or_default().insert(at);
                }
            }
        }
        let wanted: Edges =
            wanted.into_iter().map(|((from, to), rules)| (from, to, rules.into_iter().collect())).collect();
        let files = services.iter().map(|((namespace, name), declaration)| {
            (namespace.clone(), name.clone(), yaml(declaration, namespace, name))
        });
        let graph = Graph::of(&mesh(files));
        assert_eq!(edges(&graph), wanted, "seed {seed}");
        let declared = graph.nodes.iter().filter(|node| node.kind.is_service()).count();
        assert_eq!((declared, graph.services.len()), (services.len(), services.len()), "seed {seed}");
    }
}

fn yaml(declaration: &Declaration, namespace: &str, name: &str) -> String {
    let text = declaration.yaml();
    let (head, rest) = text.split_once("metadata:").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    format!("{head}metadata: {{name: {name}, namespace: {namespace}}}\n{rest}")
}

/// What an edge says of denies, against requests: with nothing taken back, no deny denies what the rule allows;
/// with all taken back, nothing is allowed.
#[test]
fn limits_are_what_requests_meet() {
    let mut seen: BTreeMap<Limit, usize> = BTreeMap::new();
    for seed in 0..3000 {
        let mut random = Random(seed);
        let whole = generate::declaration(&mut random);
        for rule in &whole.allow {
            for caller in rule.from.iter().flatten() {
                let alone = model::Rule { from: Some(vec![caller.clone()]), ..rule.clone() };
                let open = Declaration {
                    allow: vec![alone],
                    aliases: whole.aliases.clone(),
                    ..Declaration::default()
                };
                let limited = Declaration { deny: whole.deny.clone(), ..open.clone() };
                let graph =
                    Graph::of(&mesh([("shop".to_owned(), "web".to_owned(), yaml(&limited, "shop", "web"))]));
                let [edge] = graph.edges.as_slice() else { panic!("seed {seed}: {graph:?}") };
                for _ in 0..20 {
                    let mut request = requests::request(&mut random, &limited);
                    request.uris = None;
                    request.own = Some("spiffe://cluster.local/ns/shop/sa/web".to_owned());
                    let allowed = |declaration| model::decide(declaration, &request)["allowed"] == true;
                    if !allowed(&open) {
                        continue;
                    }
                    *seen.entry(edge.limit).or_default() += 1;
                    match edge.limit {
                        Limit::Nothing => {
                            assert!(allowed(&limited), "seed {seed}: {request:?}\n{}", limited.yaml())
                        }
                        Limit::All => {
                            assert!(!allowed(&limited), "seed {seed}: {request:?}\n{}", limited.yaml())
                        }
                        Limit::Some => {}
                    }
                }
            }
        }
    }
    // Each was met often enough to say something.
    for limit in [Limit::Nothing, Limit::Some, Limit::All] {
        assert!(seen.get(&limit).is_some_and(|count| *count > 100), "{seen:?}");
    }
}

#[test]
fn an_account_is_the_service_of_its_name_or_workload() {
    let files = [
        (
            "a",
            "x",
            "  workloads: [x, x-batch]\n  allow: [{from: [{namespace: b}, {serviceAccount: a/none}]}]\n",
        ),
        (
            "b",
            "z",
            "  allow: [{from: [{serviceAccount: a/x-batch}, {serviceAccount: a/x, trustDomain: td}]}]\n",
        ),
    ];
    let files = files.map(|(namespace, name, spec)| {
        let text = meshes::file(namespace, name, "team", spec);
        (namespace.to_owned(), name.to_owned(), text)
    });
    let graph = Graph::of(&mesh(files));
    let ends: Vec<(String, String)> = edges(&graph).into_iter().map(|(from, to, _)| (from, to)).collect();
    let wanted = [
        ("account:a/none", "service:a/x"),
        ("account:a/x@td", "service:b/z"),
        ("namespace:b", "service:a/x"),
        ("service:a/x", "service:b/z"),
    ];
    assert_eq!(ends, wanted.map(|(from, to)| (from.to_owned(), to.to_owned())));
}

#[test]
fn a_part_is_what_is_chosen_and_its_neighbours() {
    let graph = Graph::of(&sample());
    let of = |selection: &Selection| {
        let part = graph.select(selection).unwrap();
        assert!(edges_of(&part).is_subset(&edges_of(&graph)));
        edges_of(&part)
    };
    let service = |namespace: &str, name: &str| Selection {
        services: vec![(namespace.to_owned(), name.to_owned())],
        ..Selection::default()
    };
    let around = of(&service("pay", "ledger"));
    assert_eq!(around, BTreeSet::from([("pay/payments".to_owned(), "pay/ledger".to_owned())]));
    // What everyone in its namespace may call, it may call.
    assert!(
        of(&service("backoffice", "reports"))
            .contains(&("everyone in backoffice".to_owned(), "observe/metrics".to_owned()))
    );
    let part = graph.select(&service("pay", "ledger")).unwrap();
    assert!(!text(&part).contains("nobody"), "{}", text(&part));
    assert!(
        svg(&part, View::Services).contains("pay/payments may be called by others that are left out here.")
    );
    let pay = of(&Selection { namespaces: vec!["pay".to_owned()], ..Selection::default() });
    assert!(
        pay.iter().all(|(from, to)| from.starts_with("pay/") || to.starts_with("pay/")) && pay.len() == 5,
        "{pay:?}"
    );
    assert_eq!(of(&Selection::default()), edges_of(&graph));
    let wrong = graph.select(&service("pay", "payment")).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "expected a service that a file declares, got `pay/payment`; did you mean `pay/payments`?"
    );
    assert_eq!(wrong.code(), "graph_service");
    assert!(graph.select(&Selection { namespaces: vec!["pey".to_owned()], ..Selection::default() }).is_err());
}

fn edges_of(graph: &Graph) -> BTreeSet<(String, String)> {
    graph.edges.iter().map(|edge| (graph.label(edge.from), graph.label(edge.to))).collect()
}

fn meshes() -> Vec<(&'static str, Mesh)> {
    vec![("sample", sample()), ("hostile", hostile()), ("200", mesh(sparse::sparse(200)))]
}

#[test]
fn the_same_mesh_is_the_same_picture() {
    for (name, mut mesh) in meshes() {
        let graph = Graph::of(&mesh);
        // Where the folder lies is nobody's business.
        let rego =
            mesh.base.rego.iter_mut().chain(mesh.services.iter_mut().flat_map(|service| &mut service.rego));
        let files: Vec<&mut String> = rego.flat_map(|rego| &mut rego.files).collect();
        files.into_iter().for_each(|file| *file = format!("/elsewhere{file}"));
        for service in &mut mesh.services {
            service.file = format!("/elsewhere{}", service.file);
        }
        let again = Graph::of(&mesh);
        for view in [View::Services, View::Listed, View::Namespaces] {
            assert!(
                svg(&graph, view) == svg(&again, view) && html(&graph, view) == html(&again, view),
                "{name}"
            );
        }
        assert!(dot(&graph) == dot(&again) && text(&graph) == text(&again), "{name}");
    }
}

#[test]
fn names_are_never_markup() {
    let graph = Graph::of(&hostile());
    for view in [View::Services, View::Listed, View::Namespaces] {
        for (what, out) in [("svg", svg(&graph, view)), ("html", html(&graph, view))] {
            assert!(!out.contains("<img") && !out.contains("<b>"), "{what}");
            assert!(!out.contains(['\u{0}', '\u{202e}']), "{what}");
            let scripts = out.matches("<script").count();
            assert_eq!(scripts, if what == "svg" { 0 } else { 2 }, "{what}");
            assert_eq!(out.matches("</script").count(), scripts, "{what}");
        }
    }
    let page = html(&graph, View::Services);
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let owner =
        data["nodes"].as_array().unwrap().iter().find_map(|node| node.pointer("/service/owner")).unwrap();
    assert_eq!(owner, HOSTILE);
    // A quote in a text of Graphviz's language has a backslash before it, and no line ends in a text.
    for line in dot(&graph).lines().filter(|line| line.contains("->")) {
        let quotes = line.replace("\\\\", "").replace("\\\"", "").matches('"').count();
        assert_eq!(quotes % 2, 0, "{line}");
    }
}

#[test]
fn a_page_asks_for_nothing_from_elsewhere() {
    let graph = Graph::of(&sample());
    let page = html(&graph, View::of(&graph));
    assert!(page.contains("content=\"default-src 'none'; script-src 'sha256-"), "{page}");
    for (what, out) in [("page", page), ("picture", svg(&graph, View::Services))] {
        // The name of a language of markup is no address that anything is fetched from.
        let rest = out.replace("http://www.w3.org/2000/svg", "");
        for word in [
            "http:",
            "https:",
            " src=",
            "url(",
            "@import",
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "eval(",
            " onclick",
        ] {
            assert!(!rest.contains(word), "{what}: {word}");
        }
    }
}

/// The picture in the documentation. `SIDEGATE_UPDATE=1` writes it anew.
#[test]
fn the_sample_mesh_is_drawn_in_the_documentation() {
    let graph = Graph::of(&sample());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/images/mesh.svg");
    let drawn = svg(&graph, View::of(&graph));
    if std::env::var_os("SIDEGATE_UPDATE").is_some() {
        std::fs::write(path, &drawn).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == drawn,
        "docs/images/mesh.svg is not the sample mesh: run this test with SIDEGATE_UPDATE=1"
    );
}
