//! Declarations of a mesh as companies have them: teams, each with a namespace, most calls inside it, the rest
//! to a few others, shared services, and something of every kind of caller.

use std::fmt::Write;

/// Services of a namespace.
const TEAM: usize = 10;
const WORDS: [&str; 20] = [
    "orders",
    "billing",
    "search",
    "identity",
    "shipping",
    "catalog",
    "pricing",
    "media",
    "reviews",
    "loyalty",
    "support",
    "fraud",
    "ledger",
    "mail",
    "reports",
    "inventory",
    "partners",
    "campaigns",
    "sessions",
    "geo",
];
const PARTS: [&str; 10] =
    ["api", "worker", "store", "index", "events", "admin", "export", "cache", "gateway", "sync"];

/// Namespace, name and text of every file.
pub(crate) fn sparse(services: usize) -> Vec<(String, String, String)> {
    (0..services)
        .map(|at| {
            let (namespace, name) = named(at);
            let text = format!(
                "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {{name: {name}, namespace: \
                 {namespace}}}\nspec:\n  owner: team-{namespace}\n{}",
                rules(at, services)
            );
            (namespace, name, text)
        })
        .collect()
}

fn named(at: usize) -> (String, String) {
    let team = at / TEAM;
    let word = WORDS[team % WORDS.len()];
    let round = team / WORDS.len();
    let namespace = if round == 0 { word.to_owned() } else { format!("{word}-{round}") };
    let part = PARTS[at % PARTS.len()];
    (namespace.clone(), format!("{word}-{part}"))
}

fn rules(at: usize, services: usize) -> String {
    let team = at / TEAM;
    let teams = services.div_ceil(TEAM);
    let account = |other: usize| {
        let (namespace, name) = named(other % services);
        format!("{{serviceAccount: {namespace}/{name}}}")
    };
    let mut callers = Vec::new();
    match at % TEAM {
        // The door of a team: other teams come in here.
        0 => {
            for step in [1, 3] {
                let other = (team * 7 + step) % teams;
                if other != team {
                    callers.push(account(other * TEAM + 1 + step));
                }
            }
            if team > 0 {
                callers.push(account((team - 1) / 2 * TEAM));
            }
            if team.is_multiple_of(5) {
                callers.push("{namespace: ops}".to_owned());
            }
        }
        part => callers.extend([at - part, at - 1].map(account)),
    }
    callers.dedup();
    let mut out = String::from("  allow:\n");
    if !callers.is_empty() {
        let _ = write!(
            out,
            "  - name: callers\n    from: [{}]\n    to: [{{methods: [GET, POST], paths: [\"/v1/{}/{{id}}\"]}}]\n",
            callers.join(", "),
            PARTS[at % PARTS.len()]
        );
    }
    if at % TEAM == 8 {
        out.push_str("  - from: [{anonymous: true}]\n    to: [{methods: [GET], paths: [\"/healthz\"]}]\n");
    }
    if at % 50 == 4 {
        out.push_str("  - from: [{authenticated: true}]\n    to: [{grpc: [\"events.v1.Events/Publish\"]}]\n");
    }
    if at.is_multiple_of(60) {
        out.push_str("  - from: [{serviceAccount: hooks/notify, trustDomain: partner.example}]\n    to: [{paths: [/hooks]}]\n");
    }
    if at.is_multiple_of(7) {
        out.push_str("  deny: [{to: [{paths: [\"/v1/{kind}/locked\", \"/admin/{**}\"]}]}]\n");
    }
    out
}
