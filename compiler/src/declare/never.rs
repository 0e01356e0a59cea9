//! Rules whose conditions exclude each other.

use std::net::IpAddr;

use super::model::{Condition, HeaderTest, Rule, Test};

/// Why a rule can match nothing. A deny is in doubt more often: of several values of one header it takes each for
/// itself, and an address that is not known may be in any network.
pub(super) fn never(rule: &Rule, is_allow: bool) -> Option<String> {
    let tests: Vec<&Test> = rule.when.iter().map(|Condition { place: _, test }| test).collect();
    let pairs = tests
        .iter()
        .enumerate()
        .flat_map(|(at, test)| tests.iter().take(at).map(move |before| (*before, *test)));
    for (before, test) in pairs {
        match (before, test) {
            (Test::Header(name, before), Test::Header(other, test))
                if name == other && excludes(before, test, is_allow) =>
            {
                return Some(format!("`{name}` cannot be both"));
            }
            (Test::Source(before), Test::Source(test)) if is_allow && !overlap(before, test) => {
                return Some("no address is in both networks".to_owned());
            }
            _ => {}
        }
    }
    let is_grpc = is_allow && !rule.to.is_empty() && rule.to.iter().all(|target| !target.grpc.is_empty());
    let grpc = HeaderTest::Prefix("application/grpc".to_owned());
    let other = |test: &&Test| match test {
        Test::Header(name, test) => name == "content-type" && excludes(&grpc, test, true),
        Test::Claim(..) | Test::Source(_) => false,
    };
    (is_grpc && tests.iter().any(other)).then(|| "`content-type` is gRPC's then".to_owned())
}

/// Whether no value of a header is both.
fn excludes(one: &HeaderTest, other: &HeaderTest, is_allow: bool) -> bool {
    let begins = |text: &str, prefix: &str| text.split(',').all(|part| part.trim().starts_with(prefix));
    match (one, other) {
        (HeaderTest::Absent, HeaderTest::Absent) => false,
        (HeaderTest::Absent, _) | (_, HeaderTest::Absent) => true,
        (HeaderTest::Exact(a), HeaderTest::Exact(b)) => is_allow && a != b,
        (HeaderTest::Exact(text), HeaderTest::Prefix(prefix))
        | (HeaderTest::Prefix(prefix), HeaderTest::Exact(text)) => is_allow && !begins(text, prefix),
        (HeaderTest::Prefix(a), HeaderTest::Prefix(b)) => is_allow && !a.starts_with(b) && !b.starts_with(a),
        (HeaderTest::Present, _) | (_, HeaderTest::Present) => false,
    }
}

/// Whether an address can be in a network of both.
fn overlap(some: &[String], others: &[String]) -> bool {
    some.iter().any(|a| others.iter().any(|b| meet(a, b).unwrap_or(true)))
}

fn meet(a: &str, b: &str) -> Option<bool> {
    let read = |network: &str| {
        let (base, length) = network.split_once('/')?;
        let (base, length): (IpAddr, u32) = (base.parse().ok()?, length.parse().ok()?);
        Some(match base {
            IpAddr::V4(base) => (32, u128::from(u32::from(base)), length),
            IpAddr::V6(base) => (128, u128::from(base), length),
        })
    };
    let ((width, a, a_length), (other, b, b_length)) = (read(a)?, read(b)?);
    let rest = u32::checked_sub(width, a_length.min(b_length))?;
    let shifted = |base: u128| base.checked_shr(rest).unwrap_or(0);
    Some(width == other && shifted(a) == shifted(b))
}

#[cfg(test)]
mod tests {
    use super::super::mesh::Mesh;
    use super::never;

    fn found(when: &str, to: &str) -> [bool; 2] {
        ["allow: [{from: [{authenticated: true}], ", "deny: [{"].map(|head| {
            let spec = format!("  {head}to: [{to}], when: [{when}]}}]\n");
            let text = format!(
                "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {{name: a, namespace: b}}\nspec:\n  owner: t\n{spec}"
            );
            let policy = Mesh::read_one("a.yaml", &text, "b", "a").unwrap();
            let is_allow = !policy.allow.is_empty();
            let rule = policy.allow.iter().chain(&policy.deny).next().unwrap();
            never(rule, is_allow).is_some()
        })
    }

    #[test]
    fn conditions_exclude_each_other() {
        let to = "{methods: [GET]}";
        for (when, wanted) in [
            ("{header: a, exact: x}, {header: a, exact: z}", [true, false]),
            ("{header: a, exact: x}, {header: a, absent: true}", [true, true]),
            ("{header: a, exact: xy}, {header: a, prefix: x}", [false, false]),
            ("{header: a, exact: yx}, {header: a, prefix: x}", [true, false]),
            ("{header: a, exact: \"x,y\"}, {header: a, prefix: x}", [true, false]),
            ("{header: a, prefix: xy}, {header: a, prefix: x}", [false, false]),
            ("{header: a, prefix: z}, {header: a, prefix: x}", [true, false]),
            ("{header: a, prefix: z}, {header: b, prefix: x}", [false, false]),
            ("{header: a, present: true}, {header: a, prefix: x}", [false, false]),
            ("{source: [10.0.0.0/8]}, {source: [10.1.0.0/16]}", [false, false]),
            ("{source: [10.0.0.0/8]}, {source: [11.0.0.0/8, \"::/0\"]}", [true, false]),
            ("{source: [0.0.0.0/0]}, {source: [11.0.0.0/8]}", [false, false]),
            ("{claim: r, exact: a}, {claim: r, exact: b}", [false, false]),
            ("{header: content-type, exact: application/json}", [false, false]),
        ] {
            assert_eq!(found(when, to), wanted, "{when}");
        }
        let grpc = "{grpc: [\"a.B/C\"]}";
        assert_eq!(found("{header: content-type, exact: application/json}", grpc), [true, false]);
        assert_eq!(found("{header: content-type, prefix: application/grpc+}", grpc), [false, false]);
        assert_eq!(found("{header: content-type, absent: true}", grpc), [true, false]);
    }
}
