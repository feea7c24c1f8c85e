//! What a request asks for, by method and path (R4 `http.html`).

use http::{Method, StatusCode};

use crate::refusal::Refusal;
use crate::settings::Manners;

/// One interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask<'a> {
    Metadata,
    /// A transaction or a batch.
    Bundle,
    SystemHistory,
    /// Also by POST to `_search`.
    Search(&'a str),
    Create(&'a str),
    UpdateWhere(&'a str),
    PatchWhere(&'a str),
    DeleteWhere(&'a str),
    TypeHistory(&'a str),
    Read(&'a str, &'a str),
    Update(&'a str, &'a str),
    Delete(&'a str, &'a str),
    Patch(&'a str, &'a str),
    History(&'a str, &'a str),
    Vread(&'a str, &'a str, &'a str),
    /// The name is without `$`.
    Operation(On<'a>, &'a str),
}

/// What an operation is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On<'a> {
    System,
    Type(&'a str),
    Instance(&'a str, &'a str),
}

impl<'a> Ask<'a> {
    /// `path` is below the base. A HEAD asks what a GET would.
    pub(crate) fn read(manners: Manners, method: &Method, path: &'a str) -> Result<Self, Refusal> {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let is_get = *method == Method::GET || *method == Method::HEAD;
        let is_post = *method == Method::POST;
        Ok(match segments[..] {
            [] if is_post => Self::Bundle,
            ["metadata"] if is_get => Self::Metadata,
            ["_history"] if is_get => Self::SystemHistory,
            [name] if name.starts_with('$') && (is_get || is_post) => Self::Operation(On::System, &name[1..]),
            [name] => {
                let resource_type = known(name)?;
                match *method {
                    _ if is_get => Self::Search(resource_type),
                    Method::POST => Self::Create(resource_type),
                    Method::PUT => Self::UpdateWhere(resource_type),
                    Method::PATCH => Self::PatchWhere(resource_type),
                    Method::DELETE => Self::DeleteWhere(resource_type),
                    _ => return Err(unhandled(manners)),
                }
            }
            [name, "_history"] if is_get => Self::TypeHistory(known(name)?),
            [name, "_search"] if is_get || is_post => Self::Search(known(name)?),
            [name, operation] if operation.starts_with('$') && (is_get || is_post) => {
                Self::Operation(On::Type(known(name)?), &operation[1..])
            }
            [name, id] => {
                let resource_type = known(name)?;
                match *method {
                    _ if is_get => Self::Read(resource_type, id),
                    Method::PUT => Self::Update(resource_type, id),
                    Method::DELETE => Self::Delete(resource_type, id),
                    Method::PATCH => Self::Patch(resource_type, id),
                    _ => return Err(unhandled(manners)),
                }
            }
            [name, id, "_history"] if is_get => Self::History(known(name)?, id),
            [name, id, operation] if operation.starts_with('$') && (is_get || is_post) => {
                Self::Operation(On::Instance(known(name)?, id), &operation[1..])
            }
            [name, id, "_history", version] if is_get => Self::Vread(known(name)?, id, version),
            [name, ..] => {
                known(name)?;
                return Err(unhandled(manners));
            }
            [] => return Err(unhandled(manners)),
        })
    }
}

/// The server has nothing that such a request could mean.
pub(crate) fn unhandled(manners: Manners) -> Refusal {
    let status = match manners {
        Manners::Standard => StatusCode::METHOD_NOT_ALLOWED,
        Manners::Hapi => StatusCode::BAD_REQUEST,
    };
    Refusal::new(status, "not-supported", "this server does not do that with this path")
}

/// An operation that the server lacks.
pub(crate) fn no_operation(manners: Manners) -> Refusal {
    match manners {
        Manners::Standard => Refusal::not_found("this server has no such operation"),
        Manners::Hapi => Refusal::unsupported("this server has no such operation"),
    }
}

/// The type, if R4 has it.
pub(crate) fn known(resource_type: &str) -> Result<&str, Refusal> {
    match crate::elements::is_resource(resource_type) {
        true => Ok(resource_type),
        false => Err(Refusal::not_found("R4 has no such resource type")),
    }
}

/// The version that an `If-Match` or an `ifMatch` names.
pub(crate) fn etag(text: &str) -> Result<&str, Refusal> {
    let bare = text.trim();
    let bare = bare.strip_prefix("W/").unwrap_or(bare);
    let bare = bare.strip_prefix('"').and_then(|bare| bare.strip_suffix('"')).unwrap_or(bare);
    if bare.is_empty() || bare.contains(['"', ' ', ',']) {
        return Err(Refusal::malformed("If-Match is not one ETag"));
    }
    Ok(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_interactions() {
        let read = |method: Method, path: &'static str| Ask::read(Manners::Standard, &method, path);
        for (method, path, ask) in [
            (Method::POST, "", Ask::Bundle),
            (Method::GET, "metadata", Ask::Metadata),
            (Method::GET, "_history", Ask::SystemHistory),
            (Method::GET, "Task", Ask::Search("Task")),
            (Method::POST, "Task/_search", Ask::Search("Task")),
            (Method::DELETE, "Task", Ask::DeleteWhere("Task")),
            (Method::GET, "Task/_history", Ask::TypeHistory("Task")),
            (Method::GET, "Task/1/_history/2", Ask::Vread("Task", "1", "2")),
            (Method::HEAD, "Task/1", Ask::Read("Task", "1")),
            (Method::PATCH, "Task/1", Ask::Patch("Task", "1")),
            (Method::POST, "Task/$validate", Ask::Operation(On::Type("Task"), "validate")),
            (Method::GET, "Patient/1/$everything", Ask::Operation(On::Instance("Patient", "1"), "everything")),
        ] {
            assert_eq!(read(method, path), Ok(ask), "{path}");
        }
        for (method, path, status) in [
            (Method::GET, "", 405),
            (Method::GET, "Tusk/1", 404),
            (Method::POST, "Task/1", 405),
            (Method::PUT, "Task/$validate/2", 405),
            (Method::GET, "Task/1/_history/2/3", 405),
            (Method::GET, "Tusk/1/2/3", 404),
        ] {
            assert_eq!(read(method, path).unwrap_err().status.as_u16(), status, "{path}");
        }
    }

    #[test]
    fn etags_are_weak_strong_or_bare() {
        for text in ["W/\"3\"", "\"3\"", "3", " W/\"3\" "] {
            assert_eq!(etag(text), Ok("3"));
        }
        for text in ["", "W/\"\"", "W/\"1\", W/\"2\""] {
            assert!(etag(text).is_err(), "{text}");
        }
    }
}
