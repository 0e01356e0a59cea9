//! What the host knows of one request.

/// The raw facts of one request, as bytes where the wire has bytes. The host fills in what
/// `Policy::needs` asks for; the rest stays `None` and must not be read as "absent on the wire".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    /// Every header in the order of the header map, repeated ones repeated, pseudo-headers included,
    /// names in lower case as Envoy keeps them.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
}
