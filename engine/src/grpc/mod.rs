//! gRPC requests as values: what the messages of methods look like, and how to read one.
//!
//! The descriptor set that a policy is built with is reduced to [`Messages`], which holds what reading takes
//! and nothing else. A message becomes the value that `protojson` of Go makes of it, as OPA's plugin has it.

mod known;
mod read;
pub(crate) mod wire;

use serde::{Deserialize, Serialize};

pub(crate) use read::{ReadError, read};

/// The input messages of methods and what they are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// Methods whose client sends one message.
    pub methods: Vec<Method>,
    /// Every message that one of them can have in it.
    pub types: Vec<Type>,
    /// The enums of their fields.
    pub enums: Vec<Enum>,
}

/// A method of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// The service with its package: `payments.v1.Charges`.
    pub service: String,
    /// The method's own name.
    pub name: String,
    /// What the client sends: an index of [`Messages::types`].
    pub input: u32,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Type {
    /// How it is written in JSON.
    pub form: Form,
    /// Its fields.
    pub fields: Vec<FieldType>,
}

/// How a message is written in JSON: most as objects, some of `google.protobuf` in their own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// An object of its fields.
    Object,
    /// `Any`, whose type is known only at run time: refused unless empty.
    Any,
    /// `Timestamp`: `"2026-01-02T03:04:05Z"`.
    Timestamp,
    /// `Duration`: `"1.5s"`.
    Duration,
    /// `FieldMask`: `"a.b,c"`.
    FieldMask,
    /// `Struct`: the object in it.
    Struct,
    /// `Value`: the value in it.
    Value,
    /// `ListValue`: the array in it.
    List,
    /// `StringValue` and the like: the value in it.
    Wrapper,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldType {
    /// Its number on the wire.
    pub number: u32,
    /// Its name in JSON.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// How often it may be there, and when it is said to be.
    pub label: Label,
}

/// How often a field may be there, and when it is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Label {
    /// Said to be there where it is not its type's zero.
    Implicit,
    /// Said to be there where it was sent.
    Explicit,
    /// The same, and refused where it was not sent.
    Required,
    /// One of several, of which the last one sent counts.
    OneOf(u32),
    /// A list.
    Repeated,
    /// A map; its kind is the message of an entry.
    Map,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// `double`
    Double,
    /// `float`
    Float,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `uint32`
    Uint32,
    /// `uint64`
    Uint64,
    /// `sint32`
    Sint32,
    /// `sint64`
    Sint64,
    /// `fixed32`
    Fixed32,
    /// `fixed64`
    Fixed64,
    /// `sfixed32`
    Sfixed32,
    /// `sfixed64`
    Sfixed64,
    /// `bool`
    Bool,
    /// `string`
    Text,
    /// `bytes`
    Bytes,
    /// An enum: an index of [`Messages::enums`].
    Enum(u32),
    /// A message: an index of [`Messages::types`].
    Message(u32),
}

/// An enum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Enum {
    /// `google.protobuf.NullValue`, whose only value is written `null`.
    Null,
    /// Numbers and names in the order in which they are declared.
    Named(Vec<(i32, String)>),
}

impl Messages {
    /// What the client of a method sends; `None` where the method is not known.
    pub(crate) fn input(&self, service: &str, name: &str) -> Option<u32> {
        let found = self.methods.iter().find(|method| method.service == service && method.name == name)?;
        Some(found.input)
    }

    pub(crate) fn type_of(&self, id: u32) -> Option<&Type> {
        self.types.get(usize::try_from(id).ok()?)
    }

    pub(crate) fn enum_of(&self, id: u32) -> Option<&Enum> {
        self.enums.get(usize::try_from(id).ok()?)
    }
}
