//! The two kinds of patch (R4 `http.html#patch`), and doing them.

use http::StatusCode;
use serde_json::Value;

use crate::fhirpath_patch::{self, Operation};
use crate::refusal::Refusal;
use crate::settings::Manners;

/// The media type of a JSON Patch.
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";

/// A patch, read.
pub(crate) enum Patch {
    /// RFC 6902.
    Json(json_patch::Patch),
    /// `fhirpatch.html`
    FhirPath(Vec<Operation>),
}

impl Patch {
    /// What nothing is changed by, and no version made.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Json(patch) => patch.is_empty(),
            Self::FhirPath(operations) => operations.is_empty(),
        }
    }

    /// From the body of a request, by its media type.
    pub(crate) fn of_body(kind: &str, body: &[u8]) -> Result<Self, Refusal> {
        if kind.starts_with(JSON_PATCH) {
            return Self::json(body);
        }
        if kind.starts_with("application/fhir+json") || kind.starts_with("application/json") {
            let parameters = crate::server::parsed(body)?;
            return fhirpath_patch::read(&parameters).map(Self::FhirPath);
        }
        let text = "a patch is application/json-patch+json, or Parameters (FHIRPath Patch) as application/fhir+json";
        Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text))
    }

    /// From the resource of a Bundle's entry.
    pub(crate) fn of_resource(resource: &Value) -> Result<Self, Refusal> {
        let text = |name: &str| resource.get(name).and_then(Value::as_str);
        match text("resourceType") {
            Some("Binary") if text("contentType") == Some(JSON_PATCH) => {
                let data = data_encoding::BASE64.decode(text("data").unwrap_or_default().as_bytes());
                Self::json(&data.map_err(|_| Refusal::malformed("Binary.data is not Base64"))?)
            }
            Some("Parameters") => fhirpath_patch::read(resource).map(Self::FhirPath),
            _ => Err(Refusal::unsupported("a patch comes as a Binary with a JSON Patch, or as Parameters")),
        }
    }

    fn json(bytes: &[u8]) -> Result<Self, Refusal> {
        let patch = serde_json::from_slice(bytes).map_err(|_| Refusal::malformed("the patch is not one of RFC 6902"))?;
        Ok(Self::Json(patch))
    }

    /// The resource as the patch leaves it.
    pub(crate) fn apply(&self, manners: Manners, resource: &Value) -> Result<Value, Refusal> {
        let mut patched = resource.clone();
        let done = match self {
            Self::Json(patch) => json_patch::patch(&mut patched, patch)
                .map_err(|e| format!("operation {} of the patch cannot be done", e.operation)),
            Self::FhirPath(operations) => fhirpath_patch::apply(operations, &mut patched),
        };
        done.map_err(|text| match manners {
            Manners::Standard => Refusal::unprocessable(text),
            Manners::Hapi => Refusal::malformed(text),
        })?;
        if manners == Manners::Hapi
            && let Some(id) = resource.get("id")
        {
            // There a patch of the id changes nothing.
            patched["id"] = id.clone();
        }
        Ok(patched)
    }
}
