//! Histories of a resource and of a type, newest first.

use hob_model::Timestamp;
use percent_encoding::percent_decode_str;

use crate::Server;
use crate::answer::Answer;
use crate::paged::{self, Cursor, Entry, pieces};
use crate::refusal::Refusal;
use crate::store::Version;

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
        } else if !["_format", "_pretty"].contains(&name) {
            return Err(Refusal::unsupported("a history takes _since and _count alone"));
        }
    }
    Ok(asked)
}

impl Asked<'_> {
    fn wants(&self, version: &Version) -> bool {
        version.sequence <= self.cursor.sequence && self.since.is_none_or(|since| version.at >= since)
    }
}

pub(crate) fn of_instance(server: &Server, resource_type: &str, id: &str, query: &str) -> Result<Answer, Refusal> {
    if !server.settings.instance_history {
        return Err(Refusal::not_found("this server has no history of resources"));
    }
    let record = server.store.record(resource_type, id).ok_or_else(|| Refusal::not_found("there is no such resource"))?;
    let asked = asked(server, query)?;
    let versions: Vec<&Version> = record.versions.iter().rev().filter(|version| asked.wants(version)).collect();
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
    let versions: Vec<(&str, &Version)> = log
        .iter()
        .rev()
        .filter_map(|line| Some((&*line.id, shelf?.records.get(&line.id)?.versions.get(line.index)?)))
        .filter(|(_, version)| asked.wants(version))
        .collect();
    let page = asked.cursor.cut(&versions);
    let entries = page.iter().map(|(id, version)| Entry::version(&server.settings, resource_type, id, version)).collect();
    let path = format!("{resource_type}/_history");
    paged::page(&server.settings, "history", &path, &asked.used, asked.cursor, versions.len(), entries).map(Answer::json)
}
