//! A request of a bot with the values of its secrets, and its answer without them.
//!
//! Which secrets may go where says the manifest of the release in service, also where the request was staged under another: so a rule that was taken away
//! holds at once. A value that does not fit where its placeholder stands (a line break in a header) makes no request at all; in a URL it is percent-encoded,
//! so that it stays in its place.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderValue, Method, Request, header};
use bytes::Bytes;
use data_encoding::BASE64;
use hob_engine::{Scrub, basic_pair, permits, placeholder, secrets_in};
use hob_model::Manifest;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::{Outgoing, Refusal, Tried};
use crate::secrets::{Places, Secret};

/// What a value may be in a URL: one segment, or one part of a query.
const IN_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// The values that go into one request, by their placeholders.
#[derive(Default)]
struct Fill {
    values: BTreeMap<String, Secret>,
    /// Basic credentials as they were sent, each with the placeholder in it.
    pairs: Vec<(String, String)>,
}

/// The request as it is sent, and what hides its secrets in the answer.
pub(super) fn filled(places: &Places, manifest: &Manifest, outgoing: &Outgoing<'_>) -> Result<(Request<Bytes>, Scrub), Tried> {
    let mut fill = Fill::of(places, manifest, outgoing)?;
    let request = fill.request(outgoing)?;
    // A value of dots could lead to another path than the one that was allowed.
    let names = secrets_in(manifest, outgoing.run, outgoing.url, outgoing.headers, outgoing.body);
    if !names.is_empty() && !permits(&manifest.http, outgoing.method, &request.uri().to_string(), &names) {
        return Err(Tried::Refused(Refusal::Malformed("a secret in its URL leads to another path")));
    }
    Ok((request, fill.scrub()))
}

impl Fill {
    fn of(places: &Places, manifest: &Manifest, outgoing: &Outgoing<'_>) -> Result<Self, Tried> {
        let names = secrets_in(manifest, outgoing.run, outgoing.url, outgoing.headers, outgoing.body);
        if !names.is_empty() && !permits(&manifest.http, outgoing.method, outgoing.url, &names) {
            let host = Url::parse(outgoing.url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
            let secrets = names.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Tried::Refused(Refusal::Secret { secrets, host }));
        }
        let mut fill = Self::default();
        for name in names {
            let Some(spec) = manifest.secrets.get(name) else { continue };
            let value = places.resolve(&spec.from).map_err(|error| {
                tracing::error!(bot = %manifest.name, secret = name, %error, "a request of a bot waits for its secret");
                Tried::Later { code: "outbox-secret", why: format!("the secret {name}: {error}"), asked: None }
            })?;
            fill.values.insert(placeholder(outgoing.run, name), value);
        }
        Ok(fill)
    }

    fn request(&mut self, outgoing: &Outgoing<'_>) -> Result<Request<Bytes>, Tried> {
        let method = outgoing.method.parse::<Method>().map_err(|_| malformed("the method is none of HTTP"))?;
        let url = self.put(outgoing.url, |value| utf8_percent_encode(value, IN_URL).to_string());
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in outgoing.headers {
            // Refused where it has what would end the header: nothing is cut out of a value or split.
            let sent = self.header(name, value);
            let is_filled = sent != *value;
            let mut sent = HeaderValue::try_from(sent).map_err(|_| malformed("a header's value is none of HTTP"))?;
            // Neither printed nor kept in a table of HTTP/2.
            sent.set_sensitive(is_filled);
            request = request.header(name, sent);
        }
        // No connection is kept for another request: one that the receiver is just closing would leave the outcome unknown.
        request = request.header(header::CONNECTION, "close").header("Idempotency-Key", outgoing.idempotency_key);
        let body = match std::str::from_utf8(outgoing.body) {
            Ok(text) => self.put(text, str::to_owned).into(),
            Err(_) => Bytes::copy_from_slice(outgoing.body),
        };
        request.body(body).map_err(|_| malformed("its URL or a header is none of HTTP"))
    }

    /// Puts the values in the places of their placeholders.
    fn put(&self, text: &str, form: impl Fn(&str) -> String) -> String {
        self.values.iter().fold(text.to_owned(), |text, (placeholder, value)| {
            if text.contains(placeholder) { text.replace(placeholder, &form(value.expose())) } else { text }
        })
    }

    fn header(&mut self, name: &str, value: &str) -> String {
        let Some(pair) = basic_pair(name, value) else { return self.put(value, str::to_owned) };
        let sent = self.put(&pair, str::to_owned);
        if sent == pair {
            return value.to_owned();
        }
        let within = self.values.keys().filter(|placeholder| pair.contains(*placeholder));
        self.pairs.extend(within.map(|placeholder| (placeholder.clone(), sent.clone())));
        format!("Basic {}", BASE64.encode(sent.as_bytes()))
    }

    /// A receiver that gives back what it was given does not give the bot a secret.
    fn scrub(&self) -> Scrub {
        let mut scrub = Scrub::default();
        for (placeholder, value) in &self.values {
            let pairs: Vec<String> =
                self.pairs.iter().filter(|(within, _)| within == placeholder).map(|(_, pair)| pair.clone()).collect();
            scrub.hide_in(placeholder, value.expose(), &pairs);
        }
        scrub
    }
}

fn malformed(why: &'static str) -> Tried {
    Tried::Refused(Refusal::Malformed(why))
}

/// The headers of an answer, without what belongs to the connection and what is no text. Cookies are for browsers.
pub(super) fn headers_heard(headers: &HeaderMap, scrub: &Scrub) -> Vec<(String, String)> {
    let ours = ["connection", "keep-alive", "set-cookie", "trailer", "transfer-encoding", "upgrade"];
    let texts = headers.iter().filter(|(name, _)| !ours.contains(&name.as_str()));
    texts.filter_map(|(name, value)| Some((name.to_string(), scrub.text(value.to_str().ok()?).into_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::Duration;

    use hob_model::RunId;

    use super::*;

    /// A manifest whose secrets have these values, in files of the folder.
    fn manifest(folder: &std::path::Path, values: &[(&str, &str)], allowed: &str) -> Manifest {
        let mut text = format!(
            "name = \"b\"\nversion = \"1\"\n[[on]]\ninvoke = true\n\
             [[http]]\nmethods = [\"POST\"]\nhost = \"a.example\"\npath = \"/v1\"\nsecrets = [{allowed}]\n\
             [[http]]\nmethods = [\"POST\"]\nhost = \"open.example\"\npath = \"/\"\n[secrets]\n"
        );
        for (name, value) in values {
            let file = folder.join(name);
            std::fs::write(&file, value).unwrap();
            writeln!(text, "{name} = {{ file = \"{}\", sign = \"hmac-sha256\" }}", file.display()).unwrap();
        }
        Manifest::parse(&text, "bot.toml").unwrap()
    }

    fn run() -> RunId {
        RunId::of_parts(&[b"r"])
    }

    fn asked<'a>(url: &'a str, headers: &'a [(String, String)], body: &'a str) -> Outgoing<'a> {
        Outgoing {
            run: run(),
            idempotency_key: "k",
            method: "POST",
            url,
            headers,
            body: body.as_bytes(),
            timeout: Duration::ZERO,
        }
    }

    #[test]
    fn a_value_goes_where_its_placeholder_stands_and_stays_there() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = manifest(folder.path(), &[("one", "a/b?c=#d:e"), ("two", "s3cret-s3cret")], "\"one\", \"two\"");
        let (one, two) = (placeholder(run(), "one"), placeholder(run(), "two"));
        let headers = [
            ("x-key".to_owned(), format!("Key {two}")),
            ("Authorization".to_owned(), format!("basic {}", BASE64.encode(format!("us:{two}").as_bytes()))),
        ];
        let (request, scrub) = filled(
            &Places::Anywhere,
            &manifest,
            &asked(&format!("https://a.example/v1/{two}/x?q={one}"), &headers, &format!("[{one}]")),
        )
        .unwrap();
        assert_eq!(request.uri(), "https://a.example/v1/s3cret-s3cret/x?q=a%2Fb%3Fc%3D%23d:e");
        assert_eq!(request.headers()["x-key"], "Key s3cret-s3cret");
        let basic = BASE64.encode(b"us:s3cret-s3cret");
        assert_eq!(request.headers()["authorization"], format!("Basic {basic}"));
        assert_eq!(request.body(), "[a/b?c=#d:e]");

        let echoed = format!("{basic} s3cret-s3cret {} a%2fb%3Fc%3d%23d%3Ae \"a\\/b?c=#d:e\"", BASE64.encode(b"s3cret-s3cret"));
        let clean = scrub.text(&echoed).into_owned();
        assert_eq!(clean.replace('=', ""), format!("{two} {two} {two} {one} \"{one}\""));
        let mut answered = HeaderMap::new();
        answered.insert("x-echo", "Bearer s3cret-s3cret".parse().unwrap());
        answered.insert("set-cookie", "session=1".parse().unwrap());
        assert_eq!(headers_heard(&answered, &scrub), [("x-echo".to_owned(), format!("Bearer {two}"))]);
    }

    #[test]
    fn a_secret_goes_only_under_a_rule_that_lists_it() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = manifest(folder.path(), &[("one", "1"), ("two", "2")], "\"one\"");
        let (one, two) = (placeholder(run(), "one"), placeholder(run(), "two"));
        let basic = [("authorization".to_owned(), format!("Basic {}", BASE64.encode(format!("u:{two}").as_bytes())))];
        assert!(filled(&Places::Anywhere, &manifest, &asked("https://a.example/v1", &[], &one)).is_ok());
        assert!(filled(&Places::Anywhere, &manifest, &asked("https://open.example/", &[], "no secret")).is_ok());
        for (url, headers, body) in [
            ("https://a.example/v1", &[][..], format!("{one}{two}")),
            ("https://a.example/v1", &basic[..], String::new()),
            ("https://open.example/", &[], one.clone()),
        ] {
            let Err(Tried::Refused(why)) = filled(&Places::Anywhere, &manifest, &asked(url, headers, &body)) else {
                panic!("{url}")
            };
            assert_eq!(why.code(), "outbox-not-allowed");
            assert!(why.to_string().contains(".example"), "{why}");
        }
    }

    #[test]
    fn a_value_that_would_end_a_header_makes_no_request() {
        for value in ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b", "a\u{7f}b"] {
            let folder = tempfile::tempdir().unwrap();
            let manifest = manifest(folder.path(), &[("one", value)], "\"one\"");
            let one = placeholder(run(), "one");
            let headers = [("x-key".to_owned(), one.clone())];
            let Err(Tried::Refused(why)) = filled(&Places::Anywhere, &manifest, &asked("https://a.example/v1", &headers, ""))
            else {
                panic!("{value:?}")
            };
            assert!(!why.to_string().contains(value));
            // In base64 it is harmless, and so is it in a URL.
            let basic = [("authorization".to_owned(), format!("Basic {}", BASE64.encode(format!("u:{one}").as_bytes())))];
            assert!(filled(&Places::Anywhere, &manifest, &asked(&format!("https://a.example/v1?k={one}"), &basic, "")).is_ok());
        }
    }

    #[test]
    fn a_value_of_dots_leads_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        // Neither does one with a slash, which some receivers decode before they look.
        for value in ["..", "a/../../admin"] {
            let manifest = manifest(folder.path(), &[("one", value)], "\"one\"");
            let url = format!("https://a.example/v1/{}/admin", placeholder(run(), "one"));
            let refused = filled(&Places::Anywhere, &manifest, &asked(&url, &[], ""));
            assert!(matches!(refused, Err(Tried::Refused(Refusal::Malformed(_)))), "{value}");
        }
    }
}
