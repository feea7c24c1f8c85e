//! Making the server notify: R4 Subscriptions of type rest-hook, found again by their endpoint.
//!
//! The endpoint's path names source and subscription, so it is Hob's own key: what has this endpoint is ours to change, and nothing else is.

use std::time::Duration;

use hob_model::{Reference, ResourceType, Timestamp, VersionId};
use serde_json::{Value, json};

use crate::{Client, FhirError, FhirErrorKind, Secret, Versioned};

/// Whose way of saying what R4 leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// HAPI FHIR JPA: an extension of the channel asks for deletes.
    Hapi,
    /// Medplum: deletes want a second Subscription, for an extension names the one interaction; another holds the signature's secret.
    Medplum,
    /// Plain R4: nothing is sent on deletes, nothing is signed.
    Plain,
}

/// The Subscription that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// FHIR search criteria, `Type?query` or `Type?`.
    pub criteria: String,
    /// Where to post. The key by which ours is found again.
    pub endpoint: String,
    /// Headers to send along, such as `Authorization`.
    pub headers: Vec<(String, Secret)>,
    /// The secret with which the server signs bodies, where its dialect can.
    pub signing_secret: Option<Secret>,
    /// Whether deletes are wanted.
    pub deletes: bool,
    /// Why, for whoever looks at the server.
    pub reason: String,
    /// How to say it.
    pub dialect: Dialect,
}

/// A Subscription as it is on the server now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensured {
    /// Which.
    pub reference: Reference,
    /// Its version.
    pub version: VersionId,
    /// `requested`, `active`, `error` or `off`. Whoever needs it active waits and reads.
    pub status: String,
    /// When this version was written, by the server's clock: what happened before was not notified to it.
    pub mark: Option<Timestamp>,
    /// What was changed, in words without secrets; empty where it was as wanted.
    pub changes: Vec<String>,
}

const HAPI_DELETES: &str = "http://hapifhir.io/fhir/StructureDefinition/subscription-send-delete-messages";
const MEDPLUM_INTERACTION: &str = "https://medplum.com/fhir/StructureDefinition/subscription-supported-interaction";
const MEDPLUM_SECRET: &str = "https://www.medplum.com/fhir/StructureDefinition/subscription-secret";
const HEARTBEAT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period";
const WHAT: &str = "subscription";

impl Dialect {
    /// The dialect of the server whose CapabilityStatement this is.
    #[must_use]
    pub fn of(statement: &Value) -> Self {
        let name = statement["software"]["name"].as_str().unwrap_or_default().to_ascii_lowercase();
        match name {
            name if name.contains("hapi") => Self::Hapi,
            name if name.contains("medplum") => Self::Medplum,
            _ => Self::Plain,
        }
    }
}

/// What became of a Subscription that posts to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub reference: Reference,
    /// `requested`, `active`, `error` or `off`.
    pub status: String,
    /// Whether it is for deletes alone (Medplum).
    pub only_deletes: bool,
    /// How often it promises to post at the least (R4 backport, `backport-heartbeat-period`).
    pub heartbeat: Option<Duration>,
}

/// The Subscriptions with this endpoint, as they are now.
///
/// # Errors
/// Any.
pub async fn look(client: &Client, endpoint: &str) -> Result<Vec<Found>, FhirError> {
    let of = |found: &Versioned| {
        Ok(Found {
            reference: found.reference()?,
            status: found.resource["status"].as_str().unwrap_or_default().to_ascii_lowercase(),
            only_deletes: only_deletes(&found.resource),
            heartbeat: heartbeat(&found.resource),
        })
    };
    ours(client, endpoint).await?.iter().map(of).collect()
}

/// Creates what is missing and changes the rest to what is wanted. One Subscription; on Medplum a second one for deletes.
///
/// # Errors
/// [`FhirErrorKind::Invalid`] where the dialect cannot say what is wanted; any other. Then [`manual_steps`] says what to do instead.
pub async fn ensure(client: &Client, wanted: &Wanted) -> Result<Vec<Ensured>, FhirError> {
    if wanted.deletes && wanted.dialect == Dialect::Plain {
        return Err(FhirError::new(FhirErrorKind::Invalid, WHAT, "R4 has no way to ask this server for deletes"));
    }
    if wanted.signing_secret.is_some() && wanted.dialect != Dialect::Medplum {
        return Err(FhirError::new(FhirErrorKind::Invalid, WHAT, "this server does not sign what it sends"));
    }
    let known = ours(client, &wanted.endpoint).await?;
    let mut ensured = Vec::new();
    for target in resources(wanted) {
        let same_kind = |found: &&Versioned| only_deletes(&found.resource) == only_deletes(&target);
        ensured.push(match known.iter().find(same_kind) {
            Some(found) => adjust(client, found.clone(), &target).await?,
            None => create(client, &target).await?,
        });
    }
    // Such as a second one made by hand, or one for deletes that are no longer wanted.
    let kept: Vec<Reference> = ensured.iter().map(|one| one.reference.clone()).collect();
    for found in known {
        if !kept.contains(&found.reference()?)
            && let Some(change) = switch_off(client, found).await?
            && let Some(first) = ensured.first_mut()
        {
            first.changes.push(change);
        }
    }
    Ok(ensured)
}

/// Sets all Subscriptions with this endpoint `off`, and says what was changed.
///
/// # Errors
/// Any.
pub async fn off(client: &Client, endpoint: &str) -> Result<Vec<String>, FhirError> {
    let mut changes = Vec::new();
    for found in ours(client, endpoint).await? {
        changes.extend(switch_off(client, found).await?);
    }
    Ok(changes)
}

/// What to do by hand where the server cannot be told, a step a line; without secrets.
#[must_use]
pub fn manual_steps(wanted: &Wanted) -> Vec<String> {
    let mut steps = vec![
        format!("Create a Subscription (or webhook) of type rest-hook with the criteria `{}`.", wanted.criteria),
        format!("Let it post to {} with the payload application/fhir+json.", wanted.endpoint),
    ];
    for (name, _) in &wanted.headers {
        steps.push(format!("Let it send the header `{name}` with the value that the source's `inbound` setting names."));
    }
    if wanted.signing_secret.is_some() {
        steps.push("Let it sign each body by HMAC-SHA256 with the secret that the source's `inbound` setting names.".to_owned());
    }
    if wanted.deletes {
        steps.push("Let it notify deletes too: the bot asks for them, and a search does not show them afterwards.".to_owned());
    }
    steps
}

fn resources(wanted: &Wanted) -> Vec<Value> {
    let headers: Vec<String> = wanted.headers.iter().map(|(name, value)| format!("{name}: {}", value.reveal())).collect();
    let mut channel = json!({"type": "rest-hook", "endpoint": wanted.endpoint, "payload": "application/fhir+json"});
    if !headers.is_empty() {
        channel["header"] = json!(headers);
    }
    if wanted.dialect == Dialect::Hapi && wanted.deletes {
        channel["extension"] = json!([{"url": HAPI_DELETES, "valueBoolean": true}]);
    }
    let mut extensions = Vec::new();
    if let Some(secret) = &wanted.signing_secret {
        extensions.push(json!({"url": MEDPLUM_SECRET, "valueString": secret.reveal()}));
    }
    // R4 lets a client ask for `requested`; HAPI makes it active. Medplum takes it as it is written.
    let status = if wanted.dialect == Dialect::Medplum { "active" } else { "requested" };
    let of = |extensions: Vec<Value>| {
        let mut resource = json!({
            "resourceType": "Subscription", "status": status, "reason": wanted.reason, "criteria": wanted.criteria, "channel": channel,
        });
        if !extensions.is_empty() {
            resource["extension"] = Value::Array(extensions);
        }
        resource
    };
    let mut all = vec![of(extensions.clone())];
    if wanted.dialect == Dialect::Medplum && wanted.deletes {
        extensions.push(json!({"url": MEDPLUM_INTERACTION, "valueCode": "delete"}));
        all.push(of(extensions));
    }
    all
}

fn only_deletes(resource: &Value) -> bool {
    let mut extensions = resource["extension"].as_array().into_iter().flatten();
    extensions.any(|extension| extension["url"] == MEDPLUM_INTERACTION && extension["valueCode"] == "delete")
}

fn heartbeat(resource: &Value) -> Option<Duration> {
    let mut extensions = resource["channel"]["extension"].as_array().into_iter().flatten();
    let period = &extensions.find(|extension| extension["url"] == HEARTBEAT)?["valueUnsignedInt"];
    period.as_u64().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

async fn ours(client: &Client, endpoint: &str) -> Result<Vec<Versioned>, FhirError> {
    let resource_type = ResourceType::new("Subscription").map_err(|e| FhirError::new(FhirErrorKind::Invalid, WHAT, e))?;
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("url", endpoint).finish();
    let mut page = client.search(&resource_type, &query).await?;
    let mut found = page.matches()?;
    while let Some(next) = page.next {
        page = client.more(&next).await?;
        found.extend(page.matches()?);
    }
    // Search by uri is exact in R4, but what is changed here must be ours beyond doubt.
    found.retain(|one| one.resource["channel"]["endpoint"] == endpoint);
    Ok(found)
}

async fn create(client: &Client, target: &Value) -> Result<Ensured, FhirError> {
    let stored = client.create(target, None).await?;
    let found = client.read(&stored.reference).await?;
    let criteria = target["criteria"].as_str().unwrap_or_default();
    ensured(&found, stored.last_updated, vec![format!("created {} for `{criteria}`", stored.reference)])
}

async fn adjust(client: &Client, found: Versioned, target: &Value) -> Result<Ensured, FhirError> {
    let reference = found.reference()?;
    let changes = differences(&found.resource, target);
    let (now, mark) = write(client, found, |found| {
        let mut resource = target.clone();
        resource["id"] = json!(reference.id.as_str());
        (!differences(found, target).is_empty()).then_some(resource)
    })
    .await?;
    ensured(&now, mark, changes.into_iter().map(|change| format!("{reference}: {change}")).collect())
}

/// Makes `found` what `change` says, until it says nothing more; gives the outcome and when it was written.
///
/// A server that makes a Subscription active writes it too, HAPI a moment after it was sent and with the content of then: it would undo what is
/// written in between. So what is still `requested` is given time to become active first.
async fn write(
    client: &Client,
    mut found: Versioned,
    change: impl Fn(&Value) -> Option<Value>,
) -> Result<(Versioned, Option<Timestamp>), FhirError> {
    const PAUSE: Duration = Duration::from_millis(200);
    let reference = found.reference()?;
    let mut patience = 15;
    let mut mark = found.last_updated;
    while let Some(resource) = change(&found.resource) {
        if found.resource["status"] == "requested" && patience > 0 {
            patience -= 1;
            tokio::time::sleep(PAUSE).await;
            found = client.read(&reference).await?;
            continue;
        }
        match client.update(&resource, Some(&found.version)).await {
            Ok(stored) => {
                mark = stored.last_updated;
                found = client.read(&reference).await?;
                break;
            }
            Err(e) if e.kind == FhirErrorKind::Conflict && patience > 0 => {
                patience -= 1;
                tokio::time::sleep(PAUSE).await;
                found = client.read(&reference).await?;
            }
            Err(e) => return Err(e),
        }
    }
    Ok((found, mark))
}

fn ensured(found: &Versioned, mark: Option<Timestamp>, changes: Vec<String>) -> Result<Ensured, FhirError> {
    Ok(Ensured {
        reference: found.reference()?,
        version: found.version.clone(),
        status: found.resource["status"].as_str().unwrap_or_default().to_owned(),
        mark: mark.or(found.last_updated).or(found.date),
        changes,
    })
}

/// What differs, without values that may be secret. The server may add elements of its own, such as HAPI's tags.
fn differences(found: &Value, target: &Value) -> Vec<String> {
    let mut changes = Vec::new();
    let said = |value: &Value| value.as_str().map_or_else(|| "nothing".to_owned(), |text| format!("`{text}`"));
    for (name, pointer) in
        [("criteria", "/criteria"), ("payload", "/channel/payload"), ("type", "/channel/type"), ("reason", "/reason")]
    {
        let (old, new) = (found.pointer(pointer).unwrap_or(&Value::Null), target.pointer(pointer).unwrap_or(&Value::Null));
        if old != new {
            changes.push(format!("{name} from {} to {}", said(old), said(new)));
        }
    }
    for (name, pointer) in
        [("headers", "/channel/header"), ("extensions", "/extension"), ("channel's extensions", "/channel/extension")]
    {
        if found.pointer(pointer) != target.pointer(pointer) {
            changes.push(format!("the {name}"));
        }
    }
    // `error` too: the server gave up on it, and asking again is the way back.
    if let Some(status @ ("off" | "error")) = found["status"].as_str() {
        changes.push(format!("status from `{status}` to {}", said(&target["status"])));
    }
    changes
}

async fn switch_off(client: &Client, found: Versioned) -> Result<Option<String>, FhirError> {
    if found.resource["status"] == "off" {
        return Ok(None);
    }
    let (now, _) = write(client, found, |found| {
        let mut resource = found.clone();
        resource["status"] = json!("off");
        (found["status"] != "off").then_some(resource)
    })
    .await?;
    Ok(Some(format!("set {} off", now.reference()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(dialect: Dialect, deletes: bool) -> Wanted {
        Wanted {
            criteria: "Task?status=ready".to_owned(),
            endpoint: "https://hob.example/in/a/b/c".to_owned(),
            headers: vec![("Authorization".to_owned(), Secret::new("Bearer CANARY"))],
            signing_secret: (dialect == Dialect::Medplum).then(|| Secret::new("CANARY")),
            deletes,
            reason: "Hob".to_owned(),
            dialect,
        }
    }

    #[test]
    fn each_dialect_says_deletes_its_own_way() {
        let hapi = resources(&wanted(Dialect::Hapi, true));
        assert_eq!(hapi.len(), 1);
        assert_eq!(hapi[0]["channel"]["extension"][0]["url"], HAPI_DELETES);
        let medplum = resources(&wanted(Dialect::Medplum, true));
        assert_eq!(medplum.iter().map(only_deletes).collect::<Vec<_>>(), [false, true]);
        assert_eq!(medplum[1]["extension"][0]["valueString"], "CANARY");
        assert_eq!(resources(&wanted(Dialect::Plain, false))[0]["channel"].get("extension"), None);
    }

    #[test]
    fn a_heartbeat_is_promised_by_the_channel() {
        let of = |value: Value| {
            heartbeat(
                &json!({"channel": {"extension": [{"url": "http://other"}, {"url": HEARTBEAT, "valueUnsignedInt": value}]}}),
            )
        };
        assert_eq!(of(json!(60)), Some(Duration::from_secs(60)));
        assert_eq!((of(json!(0)), of(json!("60")), heartbeat(&json!({}))), (None, None, None));
    }

    #[test]
    fn says_what_differs_and_no_secret() {
        let target = resources(&wanted(Dialect::Hapi, true)).remove(0);
        let mut found = target.clone();
        found["meta"] = json!({"tag": []});
        found["status"] = json!("active");
        assert_eq!(differences(&found, &target), Vec::<String>::new());
        found["status"] = json!("error");
        found["criteria"] = json!("Task?");
        found["channel"]["header"] = json!(["Authorization: Bearer old"]);
        let changes = differences(&found, &target);
        assert_eq!(
            changes,
            ["criteria from `Task?` to `Task?status=ready`", "the headers", "status from `error` to `requested`"]
        );
        let steps = manual_steps(&wanted(Dialect::Medplum, true));
        assert!(steps.len() == 5 && !steps.concat().contains("CANARY"), "{steps:?}");
    }
}
