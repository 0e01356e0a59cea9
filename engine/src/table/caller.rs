//! Who calls, from the certificates.

use crate::attributes::Attributes;

use super::lookup::Lookup;
use super::parts::Callers;
use super::sets::{Set, SetAt};
use super::{Arena, Mine, NotMine, Work};

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caller<'a> {
    /// Nobody who has a name.
    Anonymous,
    /// Somebody with one name.
    Named(Named<'a>),
    /// Somebody with several names, who is nobody for an allow.
    Several,
}

/// A name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) principal: &'a str,
    pub(super) identity: Option<Identity<'a>>,
    /// Whether the identity's trust domain is the proxy's own; `None` where the own is not known.
    pub(super) is_own: Option<bool>,
}

/// `spiffe://TD/ns/NS/sa/SA`, as pieces of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'a> {
    trust_domain: &'a str,
    pub(super) namespace: &'a str,
    pub(super) service_account: &'a str,
    /// `TD/ns/NS/sa/SA`, `TD/ns/NS` and `NS/sa/SA`.
    account: &'a str,
    domain_namespace: &'a str,
    own_account: &'a str,
}

/// The most sets of clauses that a caller has.
pub(super) const MOST: usize = 8;

/// The sets of clauses of a caller.
#[derive(Default)]
pub(super) struct Clauses<'a> {
    sets: [Option<Set<'a>>; MOST],
    count: usize,
}

impl<'a> Caller<'a> {
    /// Who calls; bytes that are not text, and names of which one is not the principal, are for the plan.
    /// `own_names` are the other names of the own trust domain; `None` where nothing asks whose domain it is.
    pub(super) fn of(
        attributes: &'a Attributes,
        own_names: Option<(&Lookup, &Arena)>,
        work: &mut Work,
    ) -> Mine<Self> {
        let mut names = attributes.peer_uri_sans.iter().filter(|name| !name.is_empty());
        let first = names.next();
        work.take(attributes.peer_uri_sans.len())?;
        if names.next().is_some() {
            return Ok(Self::Several);
        }
        let Some(principal) = attributes.peer_principal() else {
            return if first.is_some() { Err(NotMine) } else { Ok(Self::Anonymous) };
        };
        if first.is_some_and(|name| name != principal) {
            return Err(NotMine);
        }
        let principal = text(principal)?;
        let identity = Identity::read(principal);
        let is_own = match (own_names, &identity) {
            (Some((own_names, arena)), Some(identity)) => {
                is_own(attributes, identity.trust_domain, own_names, arena, work)?
            }
            _ => Some(false),
        };
        Ok(Self::Named(Named { principal, identity, is_own }))
    }
}

impl<'a> Identity<'a> {
    /// Reads a name of exactly that form.
    fn read(principal: &'a str) -> Option<Self> {
        let account = principal.strip_prefix("spiffe://")?;
        let (trust_domain, own_account) = account.split_once("/ns/")?;
        let (namespace, service_account) = own_account.split_once("/sa/")?;
        let domain_namespace = account.strip_suffix(service_account)?.strip_suffix("/sa/")?;
        let is_part = |part: &str| !part.is_empty() && !part.contains('/');
        let parts = [trust_domain, namespace, service_account];
        parts.iter().all(|part| is_part(part)).then_some(Self {
            trust_domain,
            namespace,
            service_account,
            account,
            domain_namespace,
            own_account,
        })
    }
}

/// Whether a trust domain is that of the proxy's own certificate.
fn is_own(
    attributes: &Attributes,
    trust_domain: &str,
    own_names: &Lookup,
    arena: &Arena,
    work: &mut Work,
) -> Mine<Option<bool>> {
    if own_names.find(arena, trust_domain.as_bytes(), work)?.is_some() {
        return Ok(Some(true));
    }
    let own = attributes.local_principal().map(text).transpose()?;
    Ok(own.and_then(domain_of).map(|own| own == trust_domain))
}

/// What stands between `spiffe://` and the next slash.
fn domain_of(name: &str) -> Option<&str> {
    name.strip_prefix("spiffe://")?.split('/').next().filter(|domain| !domain.is_empty())
}

impl Callers {
    /// The clauses of a caller, where all that is asked is certain.
    pub(super) fn allowed<'a>(
        &self,
        caller: &Caller<'_>,
        arena: &'a Arena,
        work: &mut Work,
    ) -> Mine<Clauses<'a>> {
        let mut clauses = Clauses::default();
        match caller {
            Caller::Several => {}
            Caller::Anonymous => clauses.add(self.anonymous, arena)?,
            Caller::Named(named) => {
                let Named { principal, identity, is_own } = named;
                if let Some(identity) = identity {
                    self.identity(identity, *is_own == Some(true), &mut clauses, arena, work)?;
                    clauses.find(&self.trust_domain, identity.trust_domain, arena, work)?;
                }
                clauses.find(&self.principal, principal, arena, work)?;
                clauses.add(self.authenticated, arena)?;
            }
        }
        Ok(clauses)
    }

    /// The clauses of a caller, unless it is certain that it is not meant.
    pub(super) fn denied<'a>(
        &self,
        caller: &Caller<'_>,
        arena: &'a Arena,
        work: &mut Work,
    ) -> Mine<Clauses<'a>> {
        let mut clauses = Clauses::default();
        clauses.add(self.everyone, arena)?;
        match caller {
            // Each of the names counts; but nothing has allowed this.
            Caller::Several => return Err(NotMine),
            Caller::Anonymous => clauses.add(self.anonymous, arena)?,
            Caller::Named(named) => {
                let Named { principal, identity, is_own } = named;
                if let Some(identity) = identity {
                    self.identity(identity, *is_own != Some(false), &mut clauses, arena, work)?;
                }
                // In whichever form: `spiffe://TD/x` too.
                let domain = principal.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next());
                if let Some(domain) = domain {
                    clauses.find(&self.trust_domain, domain, arena, work)?;
                }
                clauses.find(&self.principal, principal, arena, work)?;
                clauses.add(self.authenticated, arena)?;
            }
        }
        Ok(clauses)
    }

    fn identity<'a>(
        &self,
        identity: &Identity<'_>,
        is_own: bool,
        clauses: &mut Clauses<'a>,
        arena: &'a Arena,
        work: &mut Work,
    ) -> Mine<()> {
        let Identity { namespace, account, domain_namespace, own_account, .. } = identity;
        if is_own {
            clauses.find(&self.own_account, own_account, arena, work)?;
            clauses.find(&self.own_namespace, namespace, arena, work)?;
        }
        clauses.find(&self.account, account, arena, work)?;
        clauses.find(&self.namespace, domain_namespace, arena, work)
    }
}

impl<'a> Clauses<'a> {
    fn find(&mut self, lookup: &Lookup, key: &str, arena: &'a Arena, work: &mut Work) -> Mine<()> {
        let set = lookup.find(arena, key.as_bytes(), work)?.map(SetAt);
        self.add(set, arena)
    }

    fn add(&mut self, set: Option<SetAt>, arena: &'a Arena) -> Mine<()> {
        if let Some(set) = set {
            let place = self.sets.get_mut(self.count).ok_or(NotMine)?;
            *place = Some(arena.set(set).ok_or(NotMine)?);
            self.count = self.count.saturating_add(1);
        }
        Ok(())
    }

    /// The sets.
    pub(super) fn iter(&self) -> impl Iterator<Item = Set<'a>> {
        self.sets.iter().flatten().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

fn text(bytes: &[u8]) -> Mine<&str> {
    std::str::from_utf8(bytes).map_err(|_| NotMine)
}
