//! Histories of a resource, of a type and of all, newest first.

use hob_model::Timestamp;
use percent_encoding::percent_decode_str;

use crate::Server;
use crate::answer::Answer;
use crate::paged::{self, Cursor, Entry, pieces};
use crate::refusal::Refusal;
use crate::settings::Manners;
use crate::store::{Logged, Sequence, Version};

struct Asked<'a> {
    cursor: Cursor,
    since: Option<Timestamp>,
    used: Vec<&'a str>,
}

fn asked<'a>(server: &Server, query: &'a str) -> Result<Asked<'a>, Refusal> {
    let cursor = Cursor::first(&server.settings, server.store.sequence);
    let mut asked = Asked { cursor, since: None, used: Vec::new() };
    for (piece, name, value) in pieces(query) {
        if asked.cursor.take(&server.settings, name, value)? {
            if name != "_cursor" {
                asked.used.push(piece);
            }
        } else if name == "_since" {
            let value = percent_decode_str(value).decode_utf8_lossy();
            asked.since = Some(Timestamp::parse(&value).ok_or_else(|| Refusal::malformed("_since is not an instant"))?);
            asked.used.push(piece);
        } else if !["_format", "_pretty"].contains(&name) && server.settings.manners == Manners::Standard {
            return Err(Refusal::unsupported("a history takes _since and _count alone"));
        }
    }
    Ok(asked)
}

impl Asked<'_> {
    fn wants(&self, sequence: Sequence, at: Timestamp) -> bool {
        sequence <= self.cursor.sequence && self.since.is_none_or(|since| at >= since)
    }
}

pub(crate) fn of_instance(server: &Server, resource_type: &str, id: &str, query: &str) -> Result<Answer, Refusal> {
    if !server.settings.instance_history {
        return Err(Refusal::not_found("this server has no history of resources"));
    }
    let record = server.store.record(resource_type, id).ok_or_else(|| Refusal::not_found("there is no such resource"))?;
    let asked = asked(server, query)?;
    let versions: Vec<&Version> =
        record.versions.iter().rev().filter(|version| asked.wants(version.sequence, version.at)).collect();
    let page = asked.cursor.cut(&versions);
    let entries = page.iter().map(|version| Entry::version(&server.settings, resource_type, id, version)).collect();
    let path = format!("{resource_type}/{id}/_history");
    paged::page(&server.settings, "history", &path, &asked.used, asked.cursor, versions.len(), entries).map(Answer::json)
}

pub(crate) fn of_type(server: &Server, resource_type: &str, query: &str) -> Result<Answer, Refusal> {
    if !server.settings.type_history {
        return Err(Refusal::not_found("this server has no history of types"));
    }
    let asked = asked(server, query)?;
    let shelf = server.store.shelf(resource_type);
    let log = shelf.map_or(&[][..], |shelf| asked.since.map_or(&shelf.log[..], |since| shelf.log_since(since)));
    let lines: Vec<&Logged> = log.iter().rev().filter(|line| asked.wants(line.sequence, line.at)).collect();
    let page = asked.cursor.cut(&lines).iter();
    let versions = page.filter_map(|line| Some((&*line.id, shelf?.records.get(&line.id)?.versions.get(line.index)?)));
    let entries = versions.map(|(id, version)| Entry::version(&server.settings, resource_type, id, version)).collect();
    let path = format!("{resource_type}/_history");
    paged::page(&server.settings, "history", &path, &asked.used, asked.cursor, lines.len(), entries).map(Answer::json)
}

/// Of all types together.
pub(crate) fn of_system(server: &Server, query: &str) -> Result<Answer, Refusal> {
    if !server.settings.type_history {
        return Err(Refusal::not_found("this server has no history of all types"));
    }
    let asked = asked(server, query)?;
    let logs = server.store.shelves().flat_map(|(name, shelf)| shelf.log.iter().map(move |line| (name, shelf, line)));
    let mut lines: Vec<_> = logs.filter(|(_, _, line)| asked.wants(line.sequence, line.at)).collect();
    lines.sort_by_key(|(_, _, line)| std::cmp::Reverse(line.sequence));
    let page = asked.cursor.cut(&lines).iter();
    let versions =
        page.filter_map(|(name, shelf, line)| Some((*name, &*line.id, shelf.records.get(&line.id)?.versions.get(line.index)?)));
    let entries = versions.map(|(name, id, version)| Entry::version(&server.settings, name, id, version)).collect();
    paged::page(&server.settings, "history", "_history", &asked.used, asked.cursor, lines.len(), entries).map(Answer::json)
}
