//! What is asked, and as the input that a policy sees.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::path::{OddPath, ReadPath};

/// A request: what a declaration can ask about. What is `None` is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The caller's name, as Envoy has it: the first URI SAN of its certificate.
    pub principal: Option<String>,
    /// All URI SANs.
    pub uri_sans: Option<Vec<String>>,
    /// This proxy's own name, whose trust domain is the mesh's.
    pub own_principal: Option<String>,
    /// Method.
    pub method: Option<String>,
    /// Path, with the query.
    pub path: Option<String>,
    /// Host, with the port if it was sent.
    pub host: Option<String>,
    /// Port that the connection came to.
    pub port: Option<u16>,
    /// Headers, by their names in lower case; several values are one text, parted by commas.
    pub headers: BTreeMap<String, String>,
    /// Claims that jwt_authn has verified.
    pub claims: Option<Json>,
    /// Address that the connection comes from.
    pub source: Option<String>,
}

impl Request {
    /// The path without its query, read strictly.
    pub(crate) fn read_path(&self) -> Result<ReadPath, OddPath> {
        let path = self.path.as_deref().ok_or(OddPath::None)?;
        ReadPath::new(path.split('?').next().unwrap_or_default())
    }

    /// The trust domain of this proxy.
    pub(crate) fn own_trust_domain(&self) -> Option<&str> {
        let mut parts = self.own_principal.as_deref()?.split('/');
        let is_spiffe = parts.next() == Some("spiffe:") && parts.next() == Some("");
        parts.next().filter(|domain| is_spiffe && !domain.is_empty())
    }

    /// The caller's name, if it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.principal.as_deref().filter(|name| !name.is_empty())
    }

    /// The request as OPA's Envoy plugin hands it over, with what Sidegate adds.
    pub fn input(&self) -> Json {
        let Self { principal, uri_sans, own_principal, method, path, host, port, headers, claims, source } =
            self;
        let mut from = Map::new();
        let mut to = Map::new();
        let mut http = Map::new();
        let address =
            |address: &str, port: u16| json!({"socketAddress": {"address": address, "portValue": port}});
        if let Some(principal) = principal {
            from.insert("principal".to_owned(), json!(principal));
        }
        if let Some(source) = source {
            from.insert("address".to_owned(), address(source, 0));
        }
        if let Some(own) = own_principal {
            to.insert("principal".to_owned(), json!(own));
        }
        if let Some(port) = port {
            to.insert("address".to_owned(), address("127.0.0.1", *port));
        }
        let mut all: Map<String, Json> =
            headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        for (key, header, value) in
            [("method", ":method", method), ("path", ":path", path), ("host", ":authority", host)]
        {
            if let Some(value) = value {
                http.insert(key.to_owned(), json!(value));
                all.insert(header.to_owned(), json!(value));
            }
        }
        all.insert(":scheme".to_owned(), json!("https"));
        http.insert("headers".to_owned(), Json::Object(all));
        http.insert("scheme".to_owned(), json!("https"));
        http.insert("protocol".to_owned(), json!("HTTP/1.1"));
        let mut attributes = Map::new();
        attributes.insert("source".to_owned(), Json::Object(from));
        attributes.insert("destination".to_owned(), Json::Object(to));
        attributes.insert("request".to_owned(), json!({ "http": http }));
        if let Some(claims) = claims {
            let payload = json!({"envoy.filters.http.jwt_authn": {"payload": claims}});
            attributes.insert("metadataContext".to_owned(), json!({ "filterMetadata": payload }));
        }
        let mut input = Map::new();
        input.insert("attributes".to_owned(), Json::Object(attributes));
        if let Some(path) = path {
            let bare = path.split('?').next().unwrap_or_default();
            let parsed: Vec<&str> = bare.trim_start_matches('/').split('/').collect();
            input.insert("parsed_path".to_owned(), json!(parsed));
        }
        if let Some(uris) = uri_sans {
            input.insert("sidegate".to_owned(), json!({"source": {"uri_sans": uris}}));
        }
        Json::Object(input)
    }
}

impl Request {
    /// The request that an input of OPA's Envoy plugin is about.
    pub fn from_input(input: &Json) -> Self {
        let text = |path: &str| input.pointer(path).and_then(Json::as_str).map(str::to_owned);
        let http = "/attributes/request/http";
        let headers = input.pointer(&format!("{http}/headers")).and_then(Json::as_object);
        let headers = headers.into_iter().flatten().filter(|(name, _)| !name.starts_with(':'));
        let headers = headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        let port = input.pointer("/attributes/destination/address/socketAddress/portValue");
        let uris = input.pointer("/sidegate/source/uri_sans").and_then(Json::as_array);
        let uris = uris.map(|uris| uris.iter().filter_map(Json::as_str).map(str::to_owned).collect());
        let payload = "/attributes/metadataContext/filterMetadata/envoy.filters.http.jwt_authn/payload";
        Self {
            principal: text("/attributes/source/principal"),
            uri_sans: uris,
            own_principal: text("/attributes/destination/principal"),
            method: text(&format!("{http}/method")),
            path: text(&format!("{http}/path")),
            host: text(&format!("{http}/host")),
            port: port.and_then(Json::as_u64).and_then(|port| u16::try_from(port).ok()),
            headers: headers.collect(),
            claims: input.pointer(payload).cloned(),
            source: text("/attributes/source/address/socketAddress/address"),
        }
    }
}
