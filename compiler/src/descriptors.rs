//! Descriptor sets (`protoc --descriptor_set_out=x.pb --include_imports`), reduced to what reading the
//! requests of their methods takes.

use std::collections::{BTreeMap, HashMap};

use prost::Message;
use prost_types::field_descriptor_proto::{Label as FieldLabel, Type as FieldKind};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
};
use sidegate_engine::grpc::{Enum, FieldType, Form, Kind, Label, Messages, Method, Type};

use crate::diagnostics::Diagnostic;

/// Where messages of Protocol Buffers itself are.
const GOOGLE: &str = ".google.protobuf.";

/// What the files declare, by full names with a leading dot.
#[derive(Default)]
struct Declared<'a> {
    messages: HashMap<String, (&'a DescriptorProto, bool)>,
    enums: HashMap<String, &'a EnumDescriptorProto>,
}

/// Names that have a number in [`Messages`] already, and those whose message is still to be written.
#[derive(Default)]
struct Table<'a> {
    declared: Declared<'a>,
    types: HashMap<String, u32>,
    enums: HashMap<String, u32>,
    pending: Vec<String>,
    messages: Messages,
}

type Result<T> = std::result::Result<T, String>;

/// The methods of every descriptor set, given with its path.
pub(crate) fn read(sets: &[(String, Vec<u8>)]) -> std::result::Result<Messages, Diagnostic> {
    let mut files = BTreeMap::<String, FileDescriptorProto>::new();
    for (path, bytes) in sets {
        let refuse = |message: String| Diagnostic::file(path, "descriptor_set", message);
        let set = FileDescriptorSet::decode(bytes.as_slice()).map_err(|error| {
            let help = "write it with `protoc --descriptor_set_out=x.pb --include_imports`";
            refuse(format!("expected a descriptor set of Protocol Buffers: {error}")).help(help)
        })?;
        for file in set.file {
            match files.get(file.name()) {
                Some(known) if *known != file => {
                    return Err(refuse(format!("expected one `{}`, got two that differ", file.name())));
                }
                _ => drop(files.insert(file.name().to_owned(), file)),
            }
        }
    }
    let path = sets.first().map_or("", |(path, _)| path.as_str());
    let mut table = Table { declared: Declared::of(files.values()), ..Table::default() };
    table.add_methods(files.values()).map_err(|message| Diagnostic::file(path, "descriptor_set", message))?;
    if table.messages.methods.is_empty() && !sets.is_empty() {
        let message = "expected a service in the descriptor set, got none";
        return Err(Diagnostic::file(path, "descriptor_set", message));
    }
    Ok(table.messages)
}

impl<'a> Declared<'a> {
    fn of(files: impl Iterator<Item = &'a FileDescriptorProto>) -> Self {
        let mut declared = Self::default();
        for file in files {
            let scope =
                if file.package().is_empty() { String::new() } else { format!(".{}", file.package()) };
            declared.add(&scope, &file.message_type, &file.enum_type, file.syntax() == "proto3");
        }
        declared
    }

    fn add(
        &mut self,
        scope: &str,
        messages: &'a [DescriptorProto],
        enums: &'a [EnumDescriptorProto],
        is_proto3: bool,
    ) {
        for message in messages {
            let name = format!("{scope}.{}", message.name());
            self.add(&name, &message.nested_type, &message.enum_type, is_proto3);
            self.messages.insert(name, (message, is_proto3));
        }
        self.enums.extend(enums.iter().map(|an_enum| (format!("{scope}.{}", an_enum.name()), an_enum)));
    }
}

impl<'a> Table<'a> {
    fn add_methods(&mut self, files: impl Iterator<Item = &'a FileDescriptorProto>) -> Result<()> {
        for file in files {
            if !matches!(file.syntax(), "" | "proto2" | "proto3") {
                let name = file.name();
                return Err(format!("expected proto2 or proto3, got `{}` in `{name}`", file.syntax()));
            }
            for service in &file.service {
                let package = file.package();
                let dot = if package.is_empty() { "" } else { "." };
                let name = format!("{package}{dot}{}", service.name());
                for method in service.method.iter().filter(|method| !method.client_streaming()) {
                    let input = self.type_id(method.input_type());
                    let method = Method { service: name.clone(), name: method.name().to_owned(), input };
                    self.messages.methods.push(method);
                }
            }
        }
        while let Some(name) = self.pending.pop() {
            let ty = self.type_of(&name)?;
            let id = self.types.get(&name).and_then(|id| usize::try_from(*id).ok());
            if let Some(place) = id.and_then(|id| self.messages.types.get_mut(id)) {
                *place = ty;
            }
        }
        Ok(())
    }

    /// The number of a message, which is written later.
    fn type_id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.types.get(name) {
            return *id;
        }
        let id = u32::try_from(self.messages.types.len()).unwrap_or(u32::MAX);
        self.messages.types.push(Type { form: Form::Object, fields: Vec::new() });
        self.types.insert(name.to_owned(), id);
        self.pending.push(name.to_owned());
        id
    }

    fn enum_id(&mut self, name: &str) -> Result<u32> {
        if let Some(id) = self.enums.get(name) {
            return Ok(*id);
        }
        let declared = self.declared.enums.get(name).ok_or_else(|| missing(name))?;
        let value = if name.strip_prefix(GOOGLE) == Some("NullValue") {
            Enum::Null
        } else {
            let values = declared.value.iter();
            Enum::Named(values.map(|value| (value.number(), value.name().to_owned())).collect())
        };
        let id = u32::try_from(self.messages.enums.len()).unwrap_or(u32::MAX);
        self.messages.enums.push(value);
        self.enums.insert(name.to_owned(), id);
        Ok(id)
    }

    fn type_of(&mut self, name: &str) -> Result<Type> {
        let (message, is_proto3) = *self.declared.messages.get(name).ok_or_else(|| missing(name))?;
        let fields: Result<Vec<FieldType>> =
            message.field.iter().map(|field| self.field(name, field, is_proto3)).collect();
        Ok(Type { form: form(name), fields: fields? })
    }

    fn field(&mut self, message: &str, field: &FieldDescriptorProto, is_proto3: bool) -> Result<FieldType> {
        let number =
            u32::try_from(field.number()).map_err(|_| format!("expected a field number in `{message}`"))?;
        let kind = self.kind(message, field)?;
        let is_map = || {
            let entry = self.declared.messages.get(field.type_name());
            entry.is_some_and(|(entry, _)| entry.options.as_ref().is_some_and(|options| options.map_entry()))
        };
        let label = match (field.label(), field.oneof_index) {
            (FieldLabel::Repeated, _) if field.r#type() == FieldKind::Message && is_map() => Label::Map,
            (FieldLabel::Repeated, _) => Label::Repeated,
            (FieldLabel::Required, _) => Label::Required,
            (FieldLabel::Optional, Some(index)) if !field.proto3_optional() => {
                Label::OneOf(u32::try_from(index).unwrap_or_default())
            }
            _ if is_proto3 && !field.proto3_optional() && !matches!(kind, Kind::Message(_)) => {
                Label::Implicit
            }
            _ => Label::Explicit,
        };
        let name =
            if field.json_name().is_empty() { camel(field.name()) } else { field.json_name().to_owned() };
        Ok(FieldType { number, name, kind, label })
    }

    fn kind(&mut self, message: &str, field: &FieldDescriptorProto) -> Result<Kind> {
        Ok(match field.r#type() {
            FieldKind::Double => Kind::Double,
            FieldKind::Float => Kind::Float,
            FieldKind::Int32 => Kind::Int32,
            FieldKind::Int64 => Kind::Int64,
            FieldKind::Uint32 => Kind::Uint32,
            FieldKind::Uint64 => Kind::Uint64,
            FieldKind::Sint32 => Kind::Sint32,
            FieldKind::Sint64 => Kind::Sint64,
            FieldKind::Fixed32 => Kind::Fixed32,
            FieldKind::Fixed64 => Kind::Fixed64,
            FieldKind::Sfixed32 => Kind::Sfixed32,
            FieldKind::Sfixed64 => Kind::Sfixed64,
            FieldKind::Bool => Kind::Bool,
            FieldKind::String => Kind::Text,
            FieldKind::Bytes => Kind::Bytes,
            FieldKind::Enum => Kind::Enum(self.enum_id(field.type_name())?),
            FieldKind::Message => Kind::Message(self.type_id(field.type_name())),
            FieldKind::Group => {
                return Err(format!("expected no groups, got `{}` in `{message}`", field.name()));
            }
        })
    }
}

fn missing(name: &str) -> String {
    format!(
        "expected `{}` in the descriptor set, found none; is `--include_imports` missing?",
        name.trim_start_matches('.')
    )
}

/// How JSON has a message.
fn form(name: &str) -> Form {
    match name.strip_prefix(GOOGLE).unwrap_or_default() {
        "Any" => Form::Any,
        "Timestamp" => Form::Timestamp,
        "Duration" => Form::Duration,
        "FieldMask" => Form::FieldMask,
        "Struct" => Form::Struct,
        "Value" => Form::Value,
        "ListValue" => Form::List,
        "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
        | "BoolValue" | "StringValue" | "BytesValue" => Form::Wrapper,
        _ => Form::Object,
    }
}

/// The name that `protoc` gives a field in JSON.
fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut is_upper = false;
    for c in name.chars() {
        match c {
            '_' => is_upper = true,
            _ if is_upper => {
                camel.push(c.to_ascii_uppercase());
                is_upper = false;
            }
            _ => camel.push(c),
        }
    }
    camel
}
