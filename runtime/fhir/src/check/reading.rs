//! What resolve and sweeps hang on: ids, versions, histories, deletes, strict searches.

use hob_model::Interaction;
use serde_json::json;

use super::{Check, basic};
use crate::{FhirError, FhirErrorKind};

impl Check<'_> {
    pub(super) async fn client_ids(&mut self) -> Result<(), FhirError> {
        const STEP: &str = "client-ids";
        let mut resource = self.marker(STEP);
        resource["id"] = json!(self.name);
        match self.client.update(&resource, None).await {
            Ok(stored) => {
                self.capabilities.client_ids = stored.created && stored.reference.id.as_str() == self.name;
                self.tell(STEP, self.capabilities.client_ids, "PUT to a new id creates it");
            }
            // Not wrong, only less: ids are known after the commit.
            Err(e) if !e.is_transient() => {
                self.tell(STEP, false, "the server gives all ids itself, so a create's id is known after the commit")
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    pub(super) async fn histories(&mut self) -> Result<(), FhirError> {
        let (first, second) = {
            let first = self.client.create(&self.marker("history"), None).await?;
            let mut resource = self.marker("history");
            resource["id"] = json!(first.reference.id.as_str());
            resource["code"]["text"] = json!("Hob: made by a source check, and changed once");
            let second = self.client.update(&resource, None).await?;
            (first, second)
        };
        self.delete(&first.reference).await?;
        let numbers = [&first, &second].map(|stored| stored.version.as_ref().and_then(hob_model::VersionId::number));

        match self.client.history(&first.reference, None).await.and_then(|page| page.history()) {
            Ok(entries) => {
                let seen: Vec<_> = entries.iter().map(|entry| Some(entry.version.clone())).collect();
                let kinds: Vec<_> = entries.iter().map(|entry| entry.interaction).collect();
                let newest_first = seen.ends_with(&[second.version.clone(), first.version.clone()]);
                self.capabilities.instance_history = newest_first;
                self.capabilities.history_shows_deletes = newest_first && kinds.len() == 3 && kinds[0] == Interaction::Delete;
                let third = entries.first().and_then(|entry| entry.version.number());
                self.capabilities.integer_versions =
                    matches!((numbers, third), ([Some(a), Some(b)], Some(c)) if b == a + 1 && (c == b + 1 || kinds.len() == 2));
                let detail = if newest_first {
                    "an instance's versions are listed, newest first"
                } else {
                    "versions are missing or out of order"
                };
                self.tell("instance-history", newest_first, detail);
            }
            Err(e) => {
                self.capabilities.integer_versions = matches!(numbers, [Some(a), Some(b)] if b == a + 1);
                self.failed("instance-history", &e);
            }
        }
        let shown = self.capabilities.history_shows_deletes;
        self.tell(
            "deletes",
            shown,
            if shown { "a delete is a version in the history" } else { "the history does not show deletes" },
        );

        // A minute early: the clocks of host and server may differ, and a sweep looks back as well.
        let since = self.started - std::time::Duration::from_secs(60);
        match self.client.type_history(&basic()?, Some(since), Some(1000)).await.and_then(|page| page.history()) {
            Ok(entries) => {
                let versions = entries.iter().filter(|entry| entry.reference == first.reference).count();
                self.capabilities.type_history = versions >= 2;
                let detail = format!("a type's history since an instant lists {versions} of the 3 versions made");
                self.tell("type-history", self.capabilities.type_history, detail);
            }
            Err(e) => self.failed("type-history", &e),
        }
        Ok(())
    }

    pub(super) async fn strict_search(&mut self) -> Result<(), FhirError> {
        const STEP: &str = "strict-search";
        match self.client.search(&basic()?, "hob-no-such-parameter=1").await {
            Err(e) if e.kind == FhirErrorKind::Invalid => {
                self.capabilities.strict_search = true;
                self.tell(STEP, true, "an unknown parameter is refused");
            }
            Err(e) if e.kind == FhirErrorKind::SearchIgnored => {
                self.tell(
                    STEP,
                    false,
                    "the server ignores an unknown parameter; Hob sees that from the self link and refuses the search",
                );
            }
            Err(e) => return Err(e),
            Ok(_) => {
                self.problems.push(
                    "the server ignores unknown search parameters and says that it used them: a misspelt search returns everything".to_owned(),
                );
                self.tell(STEP, false, "an unknown parameter is ignored, and the self link claims that it was used");
            }
        }
        Ok(())
    }
}
