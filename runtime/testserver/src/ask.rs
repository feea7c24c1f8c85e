//! What a request asks for, by method and path (R4 `http.html`).

use http::{Method, StatusCode};

use crate::refusal::Refusal;

/// One interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask<'a> {
    Metadata,
    /// A transaction or a batch.
    Bundle,
    Search(&'a str),
    Create(&'a str),
    TypeHistory(&'a str),
    Read(&'a str, &'a str),
    Update(&'a str, &'a str),
    Delete(&'a str, &'a str),
    Patch(&'a str, &'a str),
    History(&'a str, &'a str),
    Vread(&'a str, &'a str, &'a str),
}

impl<'a> Ask<'a> {
    /// `path` is below the base, without slashes at its ends.
    pub(crate) fn read(method: &Method, path: &'a str) -> Result<Self, Refusal> {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        let parts = (segments.next(), segments.next(), segments.next(), segments.next(), segments.next());
        let is_get = *method == Method::GET;
        Ok(match parts {
            (None, ..) if *method == Method::POST => Self::Bundle,
            (Some("metadata"), None, ..) if is_get => Self::Metadata,
            (Some(resource_type), None, ..) if is_get => Self::Search(known(resource_type)?),
            (Some(resource_type), None, ..) if *method == Method::POST => Self::Create(known(resource_type)?),
            (Some(resource_type), Some("_history"), None, ..) if is_get => Self::TypeHistory(known(resource_type)?),
            (Some(_), Some(name), ..) if name.starts_with(['$', '_']) => {
                return Err(Refusal::not_found("this server has no such operation"));
            }
            (Some(resource_type), Some(id), None, ..) => {
                let resource_type = known(resource_type)?;
                match *method {
                    Method::GET => Self::Read(resource_type, id),
                    Method::PUT => Self::Update(resource_type, id),
                    Method::DELETE => Self::Delete(resource_type, id),
                    Method::PATCH => Self::Patch(resource_type, id),
                    _ => return Err(not_allowed()),
                }
            }
            (Some(resource_type), Some(id), Some("_history"), None, _) if is_get => Self::History(known(resource_type)?, id),
            (Some(resource_type), Some(id), Some("_history"), Some(version), None) if is_get => {
                Self::Vread(known(resource_type)?, id, version)
            }
            _ => return Err(not_allowed()),
        })
    }
}

fn not_allowed() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "not-supported", "this server does not do that with this path")
}

/// The type, if R4 has it.
pub(crate) fn known(resource_type: &str) -> Result<&str, Refusal> {
    match hob_search::Criteria::parse(resource_type) {
        Ok(_) => Ok(resource_type),
        Err(_) => Err(Refusal::not_found("R4 has no such resource type")),
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
        let read = |method: Method, path: &'static str| Ask::read(&method, path);
        assert_eq!(read(Method::POST, ""), Ok(Ask::Bundle));
        assert_eq!(read(Method::GET, "metadata"), Ok(Ask::Metadata));
        assert_eq!(read(Method::GET, "Task"), Ok(Ask::Search("Task")));
        assert_eq!(read(Method::GET, "Task/_history"), Ok(Ask::TypeHistory("Task")));
        assert_eq!(read(Method::GET, "Task/1/_history/2"), Ok(Ask::Vread("Task", "1", "2")));
        assert_eq!(read(Method::PATCH, "Task/1"), Ok(Ask::Patch("Task", "1")));
        for (method, path, status) in [
            (Method::GET, "", 405),
            (Method::GET, "Tusk/1", 404),
            (Method::POST, "Task/1", 405),
            (Method::POST, "Task/$validate", 404),
            (Method::GET, "Task/1/_history/2/3", 405),
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
