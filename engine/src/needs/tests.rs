use super::*;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn needs(paths: &[&str]) -> Needs {
    let paths: Vec<Vec<String>> = paths
        .iter()
        .map(|path| path.split('/').filter(|key| !key.is_empty()).map(str::to_owned).collect())
        .collect();
    Needs::from_paths(paths.iter().map(Vec::as_slice))
}

fn names(needs: &Needs) -> String {
    needs.iter().map(Group::name).collect::<Vec<_>>().join(" ")
}

#[test]
fn paths_mark_every_group_they_overlap() {
    let cases = [
        (vec![], ""),
        (vec!["nothing/here"], ""),
        (vec!["attributes/request/http/method"], "http"),
        (vec!["attributes/request/http/headers/x-role"], "headers"),
        (vec!["attributes/request/http"], "http headers protocol body"),
        (vec!["attributes/source"], "source_address source_service source_principal"),
        (vec!["attributes/source/address/socketAddress/portValue"], "source_address"),
        (vec!["source_principal"], "source_principal"),
        (vec!["sidegate/source/namespace"], "source_names"),
        (vec!["sidegate"], "fixed source_names tls direction"),
        (vec!["parsed_path/0", "parsed_query"], "parsed_path parsed_query"),
        (vec!["version/ext_authz"], "fixed"),
        (vec!["parsed_body/a"], "body"),
        (vec!["attributes/request/http/size"], "body"),
        (vec!["attributes/request/http/headers/x-envoy-auth-partial-body"], "headers body"),
        (vec!["attributes/metadataContext/filterMetadata/jwt/sub"], "metadata"),
        (vec!["attributes/routeMetadataContext"], "route_metadata"),
    ];
    for (paths, expected) in cases {
        assert_eq!(names(&needs(&paths)), expected, "{paths:?}");
    }
}

#[test]
fn the_empty_path_is_the_whole_input() {
    assert_eq!(needs(&[""]), Needs::all());
}

#[test]
fn headers_are_named_where_the_policy_names_them() {
    let one = needs(&["attributes/request/http/headers/x-role"]);
    assert!(one.headers().contains("x-role") && !one.headers().contains("x-other"));
    let all = needs(&["attributes/request/http/headers/x-role", "attributes/request"]);
    assert_eq!(all.headers(), &KeyNeeds::All);
    let mut both = one.clone();
    both.extend(&needs(&["attributes/request/http/headers/x-b"]));
    assert!(both.headers().contains("x-role") && both.headers().contains("x-b"));
    both.extend(&all);
    assert_eq!(both.headers(), &KeyNeeds::All);
}

#[test]
fn namespaces_are_named_where_the_policy_names_them() {
    let one = needs(&["attributes/metadataContext/filterMetadata/envoy.filters.http.jwt_authn/payload/sub"]);
    assert!(one.metadata().contains("envoy.filters.http.jwt_authn") && !one.metadata().contains("other"));
    assert_eq!(needs(&["attributes/metadataContext/filterMetadata"]).metadata(), &KeyNeeds::All);
    assert_eq!(needs(&["attributes/metadataContext/typedFilterMetadata"]).metadata(), &KeyNeeds::default());
    let route = needs(&["attributes/routeMetadataContext/filterMetadata/a"]);
    assert!(route.route_metadata().contains("a") && !route.metadata().contains("a"));
}

#[test]
fn taking_all_headers_is_not_waiting_for_the_body() {
    assert!(!needs(&["attributes/request/http/headers"]).contains(Group::Body));
    assert!(needs(&["attributes/request"]).contains(Group::Body));
}

#[test]
fn every_group_has_a_location_and_its_own_bit() {
    for group in Group::ALL {
        assert!(locations().any(|(other, _)| other == group), "{group:?}");
    }
    assert_eq!(Needs::all().iter().count(), Group::ALL.len());
}
