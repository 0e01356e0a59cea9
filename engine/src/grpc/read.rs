//! A message from its bytes, as Go's `proto.Unmarshal` takes it and `protojson` writes it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regorus::Value;

use super::wire::{Field, Fields};
use super::{Enum, FieldType, Kind, Label, Messages, Type, known};
use crate::collections;

/// Messages in one another. Go takes 10,000.
pub(crate) const MAX_DEPTH: usize = 64;
/// The largest number that a field can have.
const MAX_NUMBER: u64 = (1 << 29) - 1;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// They are not of this type.
    Malformed,
    /// Go might take them: too deep, of a type that is known at run time only, or with a table that does
    /// not hold together.
    Inexact,
}

pub(super) type Result<T> = std::result::Result<T, ReadError>;

/// A message as far as it has been read. Its bytes may be wrong at once; what JSON has no form of is only
/// wrong if it is still there in the end.
#[derive(Default)]
struct Tree(Vec<(u32, Slot)>);

/// What a field has.
enum Slot {
    One(Item),
    Many(Vec<Item>),
    Map(BTreeMap<Value, Item>),
}

/// An element.
enum Item {
    Scalar(Scalar),
    Message(Tree),
}

/// A value that is no message, and whether it is its type's zero.
struct Scalar {
    value: Value,
    is_zero: bool,
}

/// Reads a message of type `id`.
pub(crate) fn read(messages: &Messages, id: u32, bytes: &[u8]) -> Result<Value> {
    let reader = Reader { messages };
    let mut tree = Tree::default();
    reader.merge(id, bytes, &mut tree, 0)?;
    reader.message(id, tree)
}

struct Reader<'a> {
    messages: &'a Messages,
}

impl<'a> Reader<'a> {
    fn type_of(&self, id: u32) -> Result<&'a Type> {
        self.messages.type_of(id).ok_or(ReadError::Inexact)
    }

    /// Adds the fields in `bytes` to a message of type `id`.
    fn merge(&self, id: u32, bytes: &[u8], tree: &mut Tree, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(ReadError::Inexact);
        }
        let ty = self.type_of(id)?;
        for field in Fields::of(bytes) {
            let (number, content) = field.ok_or(ReadError::Malformed)?;
            if number > MAX_NUMBER {
                return Err(ReadError::Malformed);
            }
            let known = ty.fields.iter().find(|known| u64::from(known.number) == number);
            if let Some(known) = known {
                self.take(ty, known, content, tree, depth.saturating_add(1))?;
            }
        }
        Ok(())
    }

    /// Adds a field. Of another wire type than its own it is an unknown one, and passed over.
    fn take(
        &self,
        ty: &Type,
        known: &FieldType,
        content: Field<'_>,
        Tree(slots): &mut Tree,
        depth: usize,
    ) -> Result<()> {
        match (known.label, known.kind, content) {
            (Label::Map, Kind::Message(id), Field::Bytes(bytes)) => {
                let (key, item) = self.entry(id, bytes, depth)?;
                match slot(slots, known.number, || Slot::Map(BTreeMap::new()))? {
                    Slot::Map(entries) => drop(entries.insert(key, item)),
                    Slot::One(_) | Slot::Many(_) => return Err(ReadError::Inexact),
                }
            }
            (Label::Map, ..) => {}
            (Label::Repeated, kind, content) => {
                let items = self.items(kind, content, depth)?;
                match slot(slots, known.number, || Slot::Many(Vec::new()))? {
                    Slot::Many(all) => all.extend(items),
                    Slot::One(_) | Slot::Map(_) => return Err(ReadError::Inexact),
                }
            }
            (_, Kind::Message(id), Field::Bytes(bytes)) => {
                let mut tree = match remove(slots, known.number) {
                    Some(Slot::One(Item::Message(tree))) => tree,
                    _ => Tree::default(),
                };
                self.merge(id, bytes, &mut tree, depth)?;
                put(ty, known, Item::Message(tree), slots);
            }
            (_, kind, content) => {
                if let Some(scalar) = self.scalar(kind, content)? {
                    put(ty, known, Item::Scalar(scalar), slots);
                }
            }
        }
        Ok(())
    }

    /// One more element of a list, or several packed together.
    fn items(&self, kind: Kind, content: Field<'_>, depth: usize) -> Result<Vec<Item>> {
        if let (Kind::Message(id), Field::Bytes(bytes)) = (kind, content) {
            let mut tree = Tree::default();
            self.merge(id, bytes, &mut tree, depth)?;
            return Ok(vec![Item::Message(tree)]);
        }
        if let (Field::Bytes(packed), Some(wire_type)) = (content, packed_as(kind)) {
            return Fields::packed(packed, wire_type)
                .map(|field| {
                    let scalar = self.scalar(kind, field.ok_or(ReadError::Malformed)?)?;
                    scalar.map(Item::Scalar).ok_or(ReadError::Malformed)
                })
                .collect();
        }
        Ok(self.scalar(kind, content)?.map(Item::Scalar).into_iter().collect())
    }

    /// An entry of a map: what it does not have is its type's zero.
    fn entry(&self, id: u32, bytes: &[u8], depth: usize) -> Result<(Value, Item)> {
        let ty = self.type_of(id)?;
        let mut tree = Tree::default();
        self.merge(id, bytes, &mut tree, depth)?;
        self.check_keys(ty, bytes)?;
        let mut part = |number: u32| match remove(&mut tree.0, number) {
            Some(Slot::One(item)) => Ok(item),
            _ => match ty.fields.iter().find(|field| field.number == number).map(|field| field.kind) {
                Some(Kind::Message(_)) => Ok(Item::Message(Tree::default())),
                Some(kind) => Ok(Item::Scalar(Scalar { value: zero(self.messages, kind)?, is_zero: true })),
                None => Err(ReadError::Inexact),
            },
        };
        let key = match part(1)? {
            Item::Scalar(Scalar { value: Value::String(text), .. }) => Value::String(text),
            Item::Scalar(other) => Value::from(other.value.to_string()),
            Item::Message(_) => return Err(ReadError::Inexact),
        };
        Ok((key, part(2)?))
    }

    /// A key and, last of all, one of another wire type make Go's decoder panic, and OPA's plugin with it.
    fn check_keys(&self, ty: &Type, bytes: &[u8]) -> Result<()> {
        let Some(key) = ty.fields.iter().find(|field| field.number == 1) else { return Ok(()) };
        let (mut has_key, mut is_last_good) = (false, true);
        for (number, content) in Fields::of(bytes).flatten() {
            if number == 1 {
                is_last_good = self.scalar(key.kind, content)?.is_some();
                has_key |= is_last_good;
            }
        }
        if has_key && !is_last_good { Err(ReadError::Malformed) } else { Ok(()) }
    }

    /// What JSON makes of a message.
    fn message(&self, id: u32, Tree(mut slots): Tree) -> Result<Value> {
        let ty = self.type_of(id)?;
        let mut values = Vec::new();
        for known in &ty.fields {
            let value = match remove(&mut slots, known.number) {
                Some(Slot::One(Item::Scalar(scalar))) if scalar.is_zero && known.label == Label::Implicit => {
                    continue;
                }
                Some(Slot::One(item)) => self.item(known.kind, item)?,
                Some(Slot::Many(items)) if items.is_empty() => continue,
                Some(Slot::Many(items)) => {
                    let items: Result<Vec<_>> =
                        items.into_iter().map(|item| self.item(known.kind, item)).collect();
                    Value::from(items?)
                }
                Some(Slot::Map(entries)) => self.map(known.kind, entries)?,
                None if known.label == Label::Required => return Err(ReadError::Malformed),
                None => continue,
            };
            values.push((known.number, value));
        }
        known::value(self.messages, ty, values)
    }

    fn item(&self, kind: Kind, item: Item) -> Result<Value> {
        match (item, kind) {
            (Item::Scalar(scalar), _) => Ok(scalar.value),
            (Item::Message(tree), Kind::Message(id)) => self.message(id, tree),
            (Item::Message(_), _) => Err(ReadError::Inexact),
        }
    }

    fn map(&self, entry: Kind, entries: BTreeMap<Value, Item>) -> Result<Value> {
        let Kind::Message(id) = entry else { return Err(ReadError::Inexact) };
        let field = self.type_of(id)?.fields.iter().find(|field| field.number == 2);
        let kind = field.ok_or(ReadError::Inexact)?.kind;
        let entries = entries.into_iter().map(|(key, item)| Ok((key, self.item(kind, item)?)));
        Ok(collections::object(entries.collect::<Result<Vec<_>>>()?))
    }

    /// A value that is no message; `None` where the wire has another type.
    fn scalar(&self, kind: Kind, content: Field<'_>) -> Result<Option<Scalar>> {
        let scalar = |value: Value, is_zero: bool| Ok(Some(Scalar { value, is_zero }));
        // Protobuf cuts a number to the bits of its type.
        let low = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
        match (kind, content) {
            (Kind::Double, Field::Fixed64(b)) => {
                let float = f64::from_le_bytes(b);
                scalar(double(float)?, float == 0.0 && float.is_sign_positive())
            }
            (Kind::Float, Field::Fixed32(b)) => {
                let float = f32::from_le_bytes(b);
                let value =
                    if float.is_finite() { digits(&format!("{float:e}"))? } else { double(float.into())? };
                scalar(value, float == 0.0 && float.is_sign_positive())
            }
            (Kind::Int32, Field::Varint(n)) => scalar(Value::from(low(n).cast_signed()), low(n) == 0),
            (Kind::Uint32, Field::Varint(n)) => scalar(Value::from(low(n)), low(n) == 0),
            (Kind::Sint32, Field::Varint(n)) => {
                let n = low(n);
                scalar(Value::from((n >> 1).cast_signed() ^ (n & 1).cast_signed().wrapping_neg()), n == 0)
            }
            (Kind::Int64, Field::Varint(n)) => scalar(text(n.cast_signed()), n == 0),
            (Kind::Uint64, Field::Varint(n)) => scalar(text(n), n == 0),
            (Kind::Sint64, Field::Varint(n)) => {
                scalar(text((n >> 1).cast_signed() ^ (n & 1).cast_signed().wrapping_neg()), n == 0)
            }
            (Kind::Fixed32, Field::Fixed32(b)) => scalar(Value::from(u32::from_le_bytes(b)), b == [0; 4]),
            (Kind::Sfixed32, Field::Fixed32(b)) => scalar(Value::from(i32::from_le_bytes(b)), b == [0; 4]),
            (Kind::Fixed64, Field::Fixed64(b)) => scalar(text(u64::from_le_bytes(b)), b == [0; 8]),
            (Kind::Sfixed64, Field::Fixed64(b)) => scalar(text(i64::from_le_bytes(b)), b == [0; 8]),
            (Kind::Bool, Field::Varint(n)) => scalar(Value::Bool(n != 0), n == 0),
            (Kind::Enum(id), Field::Varint(n)) => {
                scalar(enum_value(self.messages, id, low(n).cast_signed())?, low(n) == 0)
            }
            (Kind::Text, Field::Bytes(b)) => {
                // Of proto2 Go looks at what is left in the end only; here all text is looked at.
                let text = std::str::from_utf8(b).map_err(|_| ReadError::Malformed)?;
                scalar(Value::from(text), b.is_empty())
            }
            (Kind::Bytes, Field::Bytes(b)) => scalar(Value::from(STANDARD.encode(b)), b.is_empty()),
            _ => Ok(None),
        }
    }
}

/// Sets a field; of several alternatives the last one counts.
fn put(ty: &Type, known: &FieldType, item: Item, slots: &mut Vec<(u32, Slot)>) {
    if let Label::OneOf(group) = known.label {
        for other in ty.fields.iter().filter(|other| other.label == Label::OneOf(group)) {
            remove(slots, other.number);
        }
    }
    slots.retain(|(number, _)| *number != known.number);
    slots.push((known.number, Slot::One(item)));
}

/// The slot of a field; a new one where it has none.
fn slot(slots: &mut Vec<(u32, Slot)>, number: u32, new: fn() -> Slot) -> Result<&mut Slot> {
    if !slots.iter().any(|(known, _)| *known == number) {
        slots.push((number, new()));
    }
    let found = slots.iter_mut().find(|(known, _)| *known == number);
    found.map(|(_, slot)| slot).ok_or(ReadError::Inexact)
}

/// Takes a field out.
pub(super) fn remove<T>(slots: &mut Vec<(u32, T)>, number: u32) -> Option<T> {
    let at = slots.iter().position(|(known, _)| *known == number)?;
    Some(slots.swap_remove(at).1)
}

/// The wire type of a kind that can be packed.
fn packed_as(kind: Kind) -> Option<u64> {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Some(1),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Some(5),
        Kind::Text | Kind::Bytes | Kind::Message(_) => None,
        _ => Some(0),
    }
}

/// The zero of a kind that is no message.
pub(super) fn zero(messages: &Messages, kind: Kind) -> Result<Value> {
    Ok(match kind {
        Kind::Text | Kind::Bytes => Value::from(""),
        Kind::Bool => Value::Bool(false),
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => text(0),
        Kind::Enum(id) => match messages.enum_of(id).ok_or(ReadError::Inexact)? {
            Enum::Null => Value::Null,
            Enum::Named(names) => {
                let (number, _) = names.first().ok_or(ReadError::Inexact)?;
                enum_value(messages, id, *number)?
            }
        },
        Kind::Message(_) => return Err(ReadError::Inexact),
        _ => Value::from(0_u64),
    })
}

/// The name of an enum's value, the first where it has several; the number where it has none.
fn enum_value(messages: &Messages, id: u32, number: i32) -> Result<Value> {
    match messages.enum_of(id).ok_or(ReadError::Inexact)? {
        Enum::Null => Ok(Value::Null),
        Enum::Named(names) => {
            let found = names.iter().find(|(known, _)| *known == number);
            Ok(found.map_or(Value::from(number), |(_, name)| Value::from(name.as_str())))
        }
    }
}

fn text(number: impl std::fmt::Display) -> Value {
    Value::from(number.to_string())
}

fn double(float: f64) -> Result<Value> {
    if float.is_nan() {
        Ok(Value::from("NaN"))
    } else if float.is_infinite() {
        Ok(Value::from(if float > 0.0 { "Infinity" } else { "-Infinity" }))
    } else {
        digits(&format!("{float:e}"))
    }
}

fn digits(text: &str) -> Result<Value> {
    if text.trim_start_matches('-') == "0e0" {
        return Ok(Value::from(0_u64));
    }
    Value::from_numeric_string(text).map_err(|_| ReadError::Inexact)
}
