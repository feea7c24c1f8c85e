//! What a bot may do with secrets that it does not see, and what is left of one that it was shown.

use std::sync::Arc;

use data_encoding::BASE64;
use hob_engine::{RunOutput, placeholder};
use hob_model::{FailureKind, RunId};
use serde_json::{Value, json};

use crate::fake::{Fake, SECRET};
use crate::stage::{answers, failure, release, run};

const RULES: &str = "scopes = [\"system/Basic.c\"]\n\
    [[http]]\nmethods = [\"POST\"]\nhost = \"sms.example\"\npath = \"/\"\nsecrets = [\"TOKEN\"]\n\
    [[http]]\nmethods = [\"POST\"]\nhost = \"open.example\"\npath = \"/\"\n\
    [secrets]\nTOKEN = { env = \"T\" }\nKEY = { env = \"K\", sign = \"hmac-sha256\" }\n\
    SHOWN = { env = \"S\", expose = true }\nGONE = { env = \"G\", sign = \"es256\", expose = true }\n";

async fn acts(steps: Value) -> (RunOutput, Arc<Fake>) {
    let others = Arc::new(Fake::with([]));
    (run(&release(RULES), steps, &others).await, others)
}

#[tokio::test]
async fn a_secret_goes_only_where_a_rule_lists_it() {
    let mark = |name: &str| placeholder(RunId::of_parts(&[b"test"]), name);
    let (token, key) = (mark("TOKEN"), mark("KEY"));
    let steps = json!([
        ["ask", "POST", "https://sms.example/", token],
        ["ask", "POST", "https://open.example/", "nothing secret"],
        ["ask", "POST", "https://open.example/", token],
        ["ask", "POST", "https://sms.example/", "x", format!("Bearer {key}")],
        ["ask", "POST", format!("https://open.example/?q={token}"), "x"],
        ["send", "a", "POST", "https://sms.example/", token],
        ["send", "b", "POST", "https://open.example/", token],
    ]);
    let (output, others) = acts(steps).await;
    let answers = answers(&output);
    for at in [2, 3, 4] {
        assert_eq!(answers[at]["error"], "not-allowed", "{at}: {answers:#}");
    }
    for (at, name) in [(2, "TOKEN"), (3, "KEY"), (4, "TOKEN"), (6, "TOKEN")] {
        let told = answers[at]["message"].as_str().unwrap();
        assert!(told.contains(name) && told.contains(".example") && told.contains("`secrets`"), "{at}: {told}");
    }
    assert_eq!((others.asked.lock().unwrap().len(), output.effects.outbox.len()), (2, 1));
}

#[tokio::test]
async fn a_bot_signs_with_the_algorithm_of_the_manifest_and_no_other() {
    let steps = json!([
        ["sign", "KEY", "hmac-sha256", "bytes"],
        ["sign", "KEY", "hmac-sha512", "bytes"],
        ["sign", "TOKEN", "hmac-sha256", "bytes"],
        ["sign", "OTHER", "hmac-sha256", "bytes"],
        ["sign", "KEY", "md5", "bytes"],
    ]);
    let (output, _) = acts(steps).await;
    let answers = answers(&output);
    let signed: Vec<u8> = serde_json::from_value(answers[0]["ok"].clone()).unwrap();
    assert_eq!(signed.len(), 32);
    for (at, word) in [(1, "hmac-sha512"), (2, "`sign"), (3, "[secrets]"), (4, "rs256")] {
        assert!(answers[at]["message"].as_str().unwrap().contains(word), "{at}: {answers:#}");
    }
    let call = output.journal.calls.iter().find(|call| call.function == "secrets.sign").unwrap();
    assert!(call.response.get().contains(&BASE64.encode(&signed)), "{}", call.response);
}

#[tokio::test]
async fn what_is_exposed_is_nowhere_in_the_journal_the_log_and_the_failure() {
    let (output, others) = acts(json!([["expose", "SHOWN", "https://sms.example/"]])).await;
    assert_eq!(answers(&output)[0]["ok"], SECRET);
    assert_eq!(others.asked.lock().unwrap()[0].body, SECRET.as_bytes());
    assert!(serde_json::to_string(&output.effects).unwrap().contains("s3cret"), "what the bot writes is the bot's to write");
    let (failed, _) = acts(json!([["expose", "SHOWN", "https://sms.example/", "fail"]])).await;
    assert!(failure(&failed).message.starts_with("it is hob-exposed:SHOWN"), "{:?}", failure(&failed));
    for output in [&output, &failed] {
        let left = serde_json::to_string(&output.journal).unwrap() + &format!("{:?}", output.journal);
        assert!(left.contains("secrets.expose") && left.contains("exposed hob-exposed:SHOWN"), "{left}");
        for form in [SECRET.to_owned(), "s3cret".to_owned(), BASE64.encode(SECRET.as_bytes())] {
            assert!(!left.contains(&form), "{form} in {left}");
        }
        let call = output.journal.calls.iter().find(|call| call.function == "fhir.create").unwrap();
        assert!(call.request.get().contains("hob-exposed:SHOWN"), "{}", call.request);
    }
    let (refused, _) = acts(json!([["expose", "TOKEN", ""], ["expose", "OTHER", ""]])).await;
    let answers = answers(&refused);
    assert!(answers[0]["message"].as_str().unwrap().contains("expose = true"), "{answers:#}");
    assert!(answers[1]["message"].as_str().unwrap().contains("[secrets]"), "{answers:#}");
}

#[tokio::test]
async fn a_run_waits_for_a_secret_that_the_host_does_not_find() {
    for step in [json!(["sign", "GONE", "es256", "x"]), json!(["expose", "GONE", ""])] {
        let (output, _) = acts(json!([step])).await;
        let failed = failure(&output);
        assert_eq!((failed.code.as_str(), failed.kind), ("secret", FailureKind::Retry));
        assert!(failed.message.contains("GONE") && !failed.message.contains("it is not there"), "{}", failed.message);
    }
    let (output, _) = acts(json!([["sign", "GONE", "hmac-sha256", "x"]])).await;
    assert!(answers(&output)[0]["message"].is_string());
}
