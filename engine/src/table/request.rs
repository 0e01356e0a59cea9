//! Conditions on a request. `holds` is for certain, and what allows ask; `fails` is for certain too, and what denies
//! ask.

use std::borrow::Cow;
use std::net::IpAddr;

use regorus::Value;
use regorus::value::Object;

use super::lookup::Lookup;
use super::parts::Test;
use super::{Arena, Mine, NotMine, Work};
use crate::attributes::Attributes;
use crate::input::Address;

/// A request that conditions are asked about.
pub(super) struct Request<'a> {
    pub(super) attributes: &'a Attributes,
    pub(super) arena: &'a Arena,
    /// Of filters, where any of it is asked for.
    pub(super) metadata: Option<Object>,
}

impl<'a> Request<'a> {
    pub(super) fn holds(&self, test: &Test, work: &mut Work) -> Mine<bool> {
        Ok(match test {
            _ if self.has_twin(test, work)? => false,
            Test::HeaderBegins(name, text) => {
                self.header(name, work)?.is_some_and(|value| value.starts_with(text))
            }
            Test::HeaderExact(name, text) => self.header(name, work)?.is_some_and(|value| value == *text),
            Test::HeaderPrefix(name, text) => {
                self.header(name, work)?.is_some_and(|value| parts(&value).all(|part| part.starts_with(text)))
            }
            Test::HeaderPresent(name) => self.header(name, work)?.is_some(),
            Test::HeaderAbsent(name) => self.header(name, work)?.is_none(),
            Test::Host(exact, suffixes) => match self.host() {
                Some(host) => {
                    work.take(suffixes.len())?;
                    exact.find(self.arena, host.as_bytes(), work)?.is_some()
                        || suffixes.iter().any(|suffix| host.ends_with(suffix))
                }
                None => false,
            },
            Test::Port(ports) => match self.port()? {
                Some(port) => self.arena.set(*ports).ok_or(NotMine)?.contains(u32::from(port), work)?,
                None => false,
            },
            Test::Source(networks) => match self.source()? {
                Some(address) => {
                    work.take(networks.len())?;
                    networks.iter().any(|(base, length)| contains(*base, *length, address))
                }
                None => false,
            },
            Test::Metadata(filter, path, texts) => self.metadata_has(filter, path, texts, work)?,
        })
    }

    pub(super) fn fails(&self, test: &Test, work: &mut Work) -> Mine<bool> {
        Ok(match test {
            _ if self.has_twin(test, work)? => false,
            Test::HeaderBegins(..) => return Err(NotMine),
            Test::HeaderExact(name, text) => match self.header(name, work)? {
                Some(value) => value != *text && !parts(&value).any(|part| part == text),
                None => true,
            },
            Test::HeaderPrefix(name, text) => match self.header(name, work)? {
                Some(value) => !parts(&value).any(|part| part.starts_with(text)),
                None => true,
            },
            Test::HeaderPresent(_) | Test::HeaderAbsent(_) => !self.holds(test, work)?,
            // What is in doubt is the plan's already.
            Test::Metadata(..) => !self.holds(test, work)?,
            Test::Host(..) => self.host().is_some() && !self.holds(test, work)?,
            Test::Port(_) => self.port()?.is_some() && !self.holds(test, work)?,
            Test::Source(_) => self.source()?.is_some() && !self.holds(test, work)?,
        })
    }

    /// Whether a header of another spelling, `_` for `-`, is there that some services take for the one that is asked
    /// about: what they read then is not certain.
    fn has_twin(&self, test: &Test, work: &mut Work) -> Mine<bool> {
        let (Test::HeaderExact(name, _)
        | Test::HeaderPrefix(name, _)
        | Test::HeaderPresent(name)
        | Test::HeaderAbsent(name)) = test
        else {
            return Ok(false);
        };
        work.take(self.attributes.headers.len())?;
        let is_twin = |other: &[u8]| {
            let same = |(a, b): (&u8, &u8)| a == b || matches!((a, b), (b'-', b'_') | (b'_', b'-'));
            other.len() == name.len()
                && other != name.as_bytes()
                && other.iter().zip(name.as_bytes()).all(same)
        };
        Ok(self.attributes.headers.iter().any(|(other, _)| is_twin(other)))
    }

    /// All values of a header as one, parted by commas; `None` where it is not there. Values with other characters than
    /// ASCII are for the plan.
    pub(super) fn header(&self, name: &str, work: &mut Work) -> Mine<Option<Cow<'a, str>>> {
        work.take(self.attributes.headers.len())?;
        let mut whole: Option<Cow<'a, str>> = None;
        for value in self.attributes.headers.values(name.as_bytes()) {
            work.take(value.len() / 64)?;
            if !value.is_ascii() {
                return Err(NotMine);
            }
            let value = std::str::from_utf8(value).map_err(|_| NotMine)?;
            whole = Some(match whole {
                None => Cow::Borrowed(value),
                Some(before) => Cow::Owned([before.as_ref(), value].join(",")),
            });
        }
        Ok(whole)
    }

    /// Whether what is at a path is one of these texts, or a list that has one. What is neither text nor a list of texts,
    /// nor absent, is for the plan.
    fn metadata_has(&self, filter: &str, path: &[String], texts: &Lookup, work: &mut Work) -> Mine<bool> {
        let keys = std::iter::once(filter).chain(path.iter().map(String::as_str));
        let mut at: Option<&Value> = None;
        let mut object: &Object = self.metadata.as_ref().ok_or(NotMine)?;
        for key in keys {
            work.take(1)?;
            object = match at {
                None => object,
                Some(Value::Object(fields)) => fields,
                Some(_) => return Err(NotMine),
            };
            at = match object.get(&Value::from(key)) {
                None => return Ok(false),
                found => found,
            };
        }
        let is_text = |value: &Value, work: &mut Work| match value {
            Value::String(text) => Ok(texts.find(self.arena, text.as_bytes(), work)?.is_some()),
            _ => Err(NotMine),
        };
        match at {
            Some(Value::Null) => Ok(false),
            Some(Value::Array(items)) => {
                let mut has = false;
                for item in items.iter() {
                    has |= is_text(item, work)?;
                }
                Ok(has)
            }
            Some(value) => is_text(value, work),
            None => Err(NotMine),
        }
    }

    /// The method, where there is one.
    pub(super) fn method(&self) -> Mine<Option<&'a str>> {
        let method = self.attributes.header(b":method").unwrap_or_default();
        if !method.is_ascii() {
            return Err(NotMine);
        }
        let method = std::str::from_utf8(method).map_err(|_| NotMine)?;
        Ok((!method.is_empty()).then_some(method))
    }

    /// The host in lower case, without port and one dot at its end; `None` where it is no name.
    fn host(&self) -> Option<Cow<'a, str>> {
        let whole = std::str::from_utf8(self.attributes.header(b":authority")?).ok()?;
        let name = match whole.split_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) => return None,
            None => whole,
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_word = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if !name.split('.').all(is_word) {
            return None;
        }
        let has_upper = name.bytes().any(|byte| byte.is_ascii_uppercase());
        Some(if has_upper { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) })
    }

    /// The port of the connection's own address.
    fn port(&self) -> Mine<Option<u16>> {
        Ok(match address(self.attributes.destination_address.as_deref())? {
            Some(Address::Socket { port, .. }) => Some(port),
            _ => None,
        })
    }

    /// The address that the connection comes from. One that not every reader takes for the same is for the plan.
    fn source(&self) -> Mine<Option<IpAddr>> {
        match address(self.attributes.source_address.as_deref())? {
            Some(Address::Socket { ip, .. }) => match ip.parse::<IpAddr>() {
                Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => Err(NotMine),
                Ok(address) => Ok(Some(address)),
                Err(_) => Err(NotMine),
            },
            Some(_) => Err(NotMine),
            None => Ok(None),
        }
    }
}

fn address(bytes: Option<&[u8]>) -> Mine<Option<Address<'_>>> {
    let Some(bytes) = bytes else { return Ok(None) };
    Ok(Address::read(std::str::from_utf8(bytes).map_err(|_| NotMine)?))
}

/// The values of a header. ASCII has the same white space for everybody.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}

fn contains(base: IpAddr, length: u8, address: IpAddr) -> bool {
    let (width, base, address) = match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => (32, u128::from(base.to_bits()), address.to_bits().into()),
        (IpAddr::V6(base), IpAddr::V6(address)) => (128, base.to_bits(), address.to_bits()),
        _ => return false,
    };
    // A shift by the whole width leaves nothing to differ.
    let rest = u32::from(length).abs_diff(width);
    (base ^ address).checked_shr(rest).unwrap_or(0) == 0
}
