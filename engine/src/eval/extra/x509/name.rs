//! Distinguished names: Go's `pkix.Name`.

use regorus::Value;

use crate::collections;
use crate::crypto::der::{Der, SEQUENCE, SET};
use crate::eval::extra::{Failed, UNSURE};

/// Attributes that are lists in a name, by the last number of their identifier.
const LISTS: [(u64, &str); 7] = [
    (6, "Country"),
    (7, "Locality"),
    (8, "Province"),
    (9, "StreetAddress"),
    (10, "Organization"),
    (11, "OrganizationalUnit"),
    (17, "PostalCode"),
];

/// Numbers of an object identifier.
pub(super) fn numbers(oid: &[u64]) -> Value {
    Value::from(oid.iter().copied().map(Value::from).collect::<Vec<_>>())
}

/// A list, `null` if there is nothing in it.
pub(super) fn list(items: Vec<Value>) -> Value {
    if items.is_empty() { Value::Null } else { Value::from(items) }
}

/// A name as an object.
pub(super) fn read(der: &[u8]) -> Result<Value, Failed> {
    let mut sequence = Der(der).inside(SEQUENCE).ok_or(Failed::Error)?;
    let mut names = Vec::new();
    let mut lists = LISTS.map(|(number, name)| (number, name, Vec::new()));
    let (mut common, mut serial) = (String::new(), String::new());
    while !sequence.is_empty() {
        let mut set = sequence.inside(SET).ok_or(Failed::Error)?;
        while !set.is_empty() {
            let mut attribute = set.inside(SEQUENCE).ok_or(Failed::Error)?;
            let oid = attribute.oid().ok_or(Failed::Error)?;
            let value = attribute.element().ok_or(Failed::Error)?;
            if !attribute.is_empty() {
                return Err(UNSURE);
            }
            let value = text(value.tag, value.content)?;
            match oid.as_slice() {
                [2, 5, 4, 3] => common.clone_from(&value),
                [2, 5, 4, 5] => serial.clone_from(&value),
                [2, 5, 4, kind] => {
                    if let Some((_, _, list)) = lists.iter_mut().find(|(number, ..)| number == kind) {
                        list.push(Value::from(value.as_str()));
                    }
                }
                _ => {}
            }
            let value = (Value::from("Value"), Value::from(value));
            names.push(collections::object([(Value::from("Type"), numbers(&oid)), value]));
        }
    }
    let lists = lists.into_iter().map(|(_, name, values)| (Value::from(name), list(values)));
    Ok(collections::object(lists.chain([
        (Value::from("CommonName"), Value::from(common)),
        (Value::from("SerialNumber"), Value::from(serial)),
        (Value::from("Names"), list(names)),
        (Value::from("ExtraNames"), Value::Null),
    ])))
}

fn text(tag: u8, content: &[u8]) -> Result<String, Failed> {
    const UTF8: u8 = 0x0C;
    const PRINTABLE: u8 = 0x13;
    const IA5: u8 = 0x16;
    let printable = |b: &u8| b.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(b);
    let fits = match tag {
        UTF8 => true,
        PRINTABLE => content.iter().all(printable),
        IA5 => content.is_ascii(),
        // Go reads some older kinds, and has errors for the others.
        _ => return Err(UNSURE),
    };
    let text = std::str::from_utf8(content).ok().filter(|_| fits).ok_or(Failed::Error)?;
    Ok(text.to_owned())
}
