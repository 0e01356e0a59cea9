//! Why something is not carried over, or only in part: each said once, in words for the report.

use std::fmt;

/// Why a policy or one of its rules cannot be said in a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The manifest is not what the API has.
    Unreadable(String),
    /// Another API version.
    Version(String),
    /// Istio refuses it.
    Invalid(&'static str),
    /// A field that declarations have no word for.
    Field(&'static str, &'static str),
    /// A value of a field that they have no word for.
    Value {
        /// Field.
        field: &'static str,
        /// Value.
        value: String,
        /// Why.
        why: &'static str,
    },
    /// An attribute of `when`.
    Attribute(String, &'static str),
    /// More rules would be needed than a file should have.
    TooMany,
    /// The action has no counterpart.
    Action(&'static str),
    /// A gateway or waypoint decides by it.
    Elsewhere,
    /// It is about some of a service's pods, or it cannot be known about which.
    Partial,
    /// It is about nobody who is known.
    Nobody,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::Version(version) => {
                write!(f, "expected `security.istio.io/v1` or `v1beta1`, got `{version}`")
            }
            Self::Invalid(why) => write!(f, "Istio refuses it: {why}"),
            Self::Field(field, why) => write!(f, "`{field}`: {why}"),
            Self::Value { field, value, why } => write!(f, "`{field}: {value}`: {why}"),
            Self::Attribute(key, why) => write!(f, "`when` `{key}`: {why}"),
            Self::TooMany => f.write_str("its combinations would make more than 64 rules"),
            Self::Action(why) => f.write_str(why),
            Self::Elsewhere => f.write_str("a gateway or waypoint decides by it, not a sidecar: leave it there"),
            Self::Partial => f.write_str(
                "it is about some of the service's pods, or their labels are not known: give their manifests",
            ),
            Self::Nobody => f.write_str(
                "no service is known that it is about: give manifests of Services and Deployments, or `--service`",
            ),
        }
    }
}

/// In what a rule that is carried over lets in less than Istio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Narrowing {
    /// Istio looks at the namespace alone.
    TrustDomain,
    /// Istio compares the beginning of the name.
    Form,
    /// Istio looks for a slash after the trust domain.
    Domain,
    /// Envoy takes one value of several.
    Header,
    /// Denied whatever the port and with a dot at the end.
    Host,
    /// Denied as a service may read them.
    Path,
    /// Denied in any case.
    Method,
    /// Denied where the claim is something else than text.
    Claim,
    /// Denied where the value is one of several.
    HeaderDeny,
    /// The connection's address may be unknown.
    Source,
}

impl Narrowing {
    /// In words.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::TrustDomain => "callers of other trust domains than the mesh's own are not let in",
            Self::Form => "only principals of the form `spiffe://TD/ns/NS/sa/SA` are let in",
            Self::Domain => "the trust domain's own SPIFFE ID, without a path, is denied, too",
            Self::Header => "of several values of the header, one that fits is not enough",
            Self::Host => "the host is denied with any port, and with a dot at its end, too",
            Self::Path => {
                "the path is denied in any case, encoded, and with or without a slash at its end, too"
            }
            Self::Method => "the method is denied in lower case, too",
            Self::Claim => "a claim that is neither text nor a list of texts is denied, too",
            Self::HeaderDeny => "a value is denied as one of several of the header, too",
            Self::Source => "denied where `x-forwarded-for` hides the connection's address from the filter",
        }
    }
}
