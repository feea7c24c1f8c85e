//! The resource itself as XML: its type, id, version and time, and no more.
//!
//! Hob's one form of a resource is JSON, so the host reads it again as JSON; here the reader only finds out which it is
//! (R4 "XML Representation of Resources"; checked against a capture of HAPI 8.8.0). A reader that knows no DTD and no
//! entities cannot be bombed, and the path, where there is one, says the same.

use hob_model::{Reference, ResourceId, ResourceType, Timestamp, VersionId};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::bare::{self, Target};
use crate::{Focus, Format, Kind, Notification, ParseError, WireRequest};

/// Nesting of elements, at most. FHIR's deepest, nested questionnaire items, stays far below.
const MAX_DEPTH: usize = 128;

#[derive(Default)]
struct Head {
    resource_type: Option<ResourceType>,
    id: Option<ResourceId>,
    version: Option<VersionId>,
    updated: Option<Timestamp>,
}

pub(super) fn parse(request: &WireRequest, body: &[u8], target: Target) -> Result<Notification, ParseError> {
    let text = std::str::from_utf8(body).map_err(|error| ParseError::Xml {
        what: "it is not UTF-8",
        at: u64::try_from(error.valid_up_to()).unwrap_or(u64::MAX),
    })?;
    let head = head(text)?;
    let root = head.resource_type.as_ref().map(ResourceType::as_str);
    let is_topic = matches!(root, Some("Bundle" | "Parameters" | "SubscriptionStatus"));
    let named = head.resource_type.zip(head.id).map(|(resource_type, id)| Reference { resource_type, id });
    let (focus, version) = match (target, named) {
        (Some((focus, version)), named) => {
            if named.is_some() && named.as_ref() != focus.reference() {
                return Err(ParseError::shape("", "the path and the body name different resources"));
            }
            (focus, version)
        }
        (None, _) if is_topic => return Err(NO_XML_TOPICS),
        (None, Some(named)) => (Focus::relative(named), None),
        (None, None) => {
            return Err(ParseError::shape("", "an XML body without a path that names its resource, type and id"));
        }
    };
    let event = bare::event(request, focus, head.version.or(version), head.updated);
    Ok(Notification::new(Format::ResourceXml, Kind::Resource, vec![event]))
}

const NO_XML_TOPICS: ParseError =
    ParseError::Unsupported { what: "Bundles are read as JSON only: set the subscription's payload to application/fhir+json" };

fn head(text: &str) -> Result<Head, ParseError> {
    let mut reader = Reader::from_str(text);
    let mut head = Head::default();
    let mut path: Vec<String> = Vec::new();
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(_) => {
                return Err(ParseError::Xml { what: "bad syntax", at: reader.error_position() });
            }
        };
        let bad = |what| ParseError::Xml { what, at: reader.buffer_position() };
        match event {
            Event::Start(element) => {
                head.take(&path, &element);
                if path.len() == MAX_DEPTH {
                    return Err(bad("elements are nested too deeply"));
                }
                path.push(element.local_name().as_ref().to_owned());
            }
            Event::Empty(element) => head.take(&path, &element),
            Event::End(_) => {
                path.pop();
            }
            Event::DocType(_) => {
                return Err(bad("it has a document type definition, which a resource may not have"));
            }
            Event::GeneralRef(entity) if !entity.is_char_ref() && !is_predefined(&entity) => {
                return Err(bad("it has an entity, which a resource may not have"));
            }
            Event::Eof if path.is_empty() && head.resource_type.is_some() => return Ok(head),
            Event::Eof => return Err(bad("it ends too early")),
            _ => {}
        }
    }
}

fn is_predefined(entity: &str) -> bool {
    matches!(entity, "amp" | "lt" | "gt" | "quot" | "apos")
}

impl Head {
    fn take(&mut self, path: &[String], element: &BytesStart<'_>) {
        let name = element.local_name();
        let value = || {
            let found = element.try_get_attribute("value").ok().flatten();
            found.map(|attribute| attribute.value.into_owned())
        };
        match (path.len(), name.as_ref()) {
            (0, name) if self.resource_type.is_none() => self.resource_type = ResourceType::new(name).ok(),
            (1, "id") => self.id = value().and_then(|id| ResourceId::new(id).ok()),
            (2, "versionId") if path[1] == "meta" => self.version = value().and_then(|version| VersionId::new(version).ok()),
            (2, "lastUpdated") if path[1] == "meta" => self.updated = value().and_then(|at| Timestamp::parse(&at)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Result<String, &'static str> {
        let request =
            WireRequest { method: "POST".into(), path_rest: String::new(), headers: Vec::new(), body: Default::default() };
        let parsed = parse(&request, text.as_bytes(), None).map_err(|error| error.code())?;
        Ok(parsed.events[0].focus.as_ref().unwrap().to_string())
    }

    #[test]
    fn only_the_root_and_its_meta_count() {
        let text = r#"<?xml version="1.0"?><!-- a --><f:Task xmlns:f="http://hl7.org/fhir"><f:id value="1"/>
            <f:meta><f:versionId value="4"/></f:meta><f:contained><f:Patient><f:id value="p"/></f:Patient></f:contained>
            <f:note>a &amp; &#65;</f:note></f:Task>"#;
        assert_eq!(code(text), Ok("Task/1".into()));
        let head = head(text).unwrap();
        assert_eq!(head.version.unwrap().as_str(), "4");
    }

    #[test]
    fn bombs_are_refused() {
        let dtd = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Task><id value="1"/></Task>"#;
        assert_eq!(code(dtd), Err("notification-xml"));
        assert_eq!(code(r#"<Task><id value="1"/><x>&b;</x></Task>"#), Err("notification-xml"));
        assert_eq!(code(&"<a>".repeat(200_000)), Err("notification-xml"));
        assert_eq!(code("<Task>"), Err("notification-xml"));
        assert_eq!(code("<Task></Patient>"), Err("notification-xml"));
        assert_eq!(code("<Task/>"), Err("notification-shape"));
        assert_eq!(code("<Bundle/>"), Err("notification-unsupported"));
    }
}
