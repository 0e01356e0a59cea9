//! Meshes to draw.

use std::path::PathBuf;

use sidegate_compiler::Sources;
use sidegate_compiler::declare::Mesh;

/// What nobody should be called.
pub(crate) const HOSTILE: &str =
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&--><b>{{map}}";

/// The declaration of a service.
pub(crate) fn file(namespace: &str, name: &str, owner: &str, spec: &str) -> String {
    let owner = serde_json::to_string(owner).unwrap();
    format!(
        "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec:\n  owner: {owner}\n{spec}"
    )
}

/// Namespace, name and text of files.
pub(crate) fn mesh(files: impl IntoIterator<Item = (String, String, String)>) -> Mesh {
    let mut mesh = Mesh::default();
    for (namespace, name, text) in files {
        let read = Mesh::read_one("x.yaml", &text, &namespace, &name);
        mesh.services.push(read.unwrap_or_else(|findings| panic!("{findings:?}\n{text}")));
    }
    mesh.services.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    mesh
}

/// The one in this repository.
pub(crate) fn sample() -> Mesh {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../policies");
    Sources::read_dir(&folder).unwrap().declared.unwrap()
}

/// Names that are markup, where a declaration lets them be; long ones; every kind of caller.
pub(crate) fn hostile() -> Mesh {
    let quoted = serde_json::to_string(HOSTILE).unwrap();
    let long = "long-".repeat(12);
    let spec = format!(
        "  allow:\n  - from: [{{serviceAccount: {long}x/{long}y}}, {{namespace: pay}}, {{anonymous: true}}, \
         {{authenticated: true}}, {{trustDomain: a.example}}, {{namespace: b, trustDomain: a.example}}, \
         {{principal: \"spiffe://td/{}\"}}]\n    when: [{{claim: sub, exact: {quoted}}}, {{header: x-a, exact: {quoted}}}]\n  \
         - from: [{{serviceAccount: shop/web}}]\n    to: [{{paths: [/a]}}]\n  \
         deny:\n  - from: [{{serviceAccount: shop/web}}]\n",
        "part/".repeat(60) + "end"
    );
    let service = |namespace: &str, name: &str| {
        (namespace.to_owned(), name.to_owned(), file(namespace, name, "team", &spec))
    };
    let mut mesh =
        mesh([service("shop", "web"), service("shop", &format!("{long}s")), service("pay", "charges")]);
    // What the parser does not let through today.
    for service in &mut mesh.services {
        service.owner = HOSTILE.to_owned();
        for rule in service.allow.iter_mut().chain(&mut service.deny) {
            rule.name = Some(HOSTILE.to_owned());
        }
    }
    mesh
}
