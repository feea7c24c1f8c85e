//! Commands that ask a host: what is sent, what is shown, and the exit code.

#![allow(clippy::unwrap_used, reason = "a test may; clippy does not see that its helpers are of a test")]

mod support;

use support::{Canned, TOKEN};

const STATUS: &str = r#"{"version":"0.1.0","started":"2026-11-22T05:00:00.000000Z","runs":{"pending":3,"recorded":0,"done":1204,"dead":2},
  "dead_notifications":1,"unresolved":7,"ledger_bytes":5242880}"#;

const HAPI: &str = r#"{"tenant":"default","id":"hapi","base":"http://localhost:8080/fhir","auth":{"type":"none"},
  "inbound":{"type":"header","name":"Authorization","value":{"env":"HOB_IN_HAPI"}},"capabilities":null,
  "endpoint":"http://127.0.0.1:8400/in/default/hapi/"}"#;

const MEDPLUM: &str = r#"{"tenant":"default","id":"medplum","base":"https://api.medplum.com/fhir/R4",
  "auth":{"type":"client-credentials","token_url":"https://api.medplum.com/oauth2/token","client_id":"hob","client_secret":{"file":"/run/secrets/m"},"scope":null},
  "inbound":{"type":"hmac","header":"X-Signature","secret":{"env":"MEDPLUM_HOOK"}},"capabilities":CAPABILITIES,
  "endpoint":"http://127.0.0.1:8400/in/default/medplum/"}"#;

const CAPABILITIES: &str = r#"{"checked":"2026-11-22T05:30:00.000000Z","software":"Medplum 5.1.3","atomic":true,"fence":false,"client_ids":false,"conflict_status":412,
  "instance_history":true,"type_history":true,"history_shows_deletes":true,"integer_versions":false,"strict_search":false,"transaction_entries":20,
  "notes":["the fence was passed twice of eight at once"]}"#;

const ROUTER: &str = r#"{"name":"task-router","version":"0.1.0","release":"sha256:0f3a5c7e9b1d2f4a6c8e0f3a5c7e9b1d2f4a6c8e0f3a5c7e9b1d2f4a6c8e0f3a","source":"hapi",
  "deployed":"2026-11-22T05:10:00.000000Z","description":"Routes ready tasks.","triggers":["change Task?status=ready","cron 0 0 9 * * Mon-Fri"],
  "subscriptions":[{"key":"task-router.0","reference":"Subscription/5","criteria":"Task?status=ready","status":"active"}],"runs":{"pending":1,"done":20}}"#;

const RUN_DEAD: &str = r#"{"seq":42,"run":"RUN_A","bot":"task-router","state":"dead","trigger":"change","subject":"Task/12 v3",
  "received":"2026-11-22T05:20:00.000000Z","ended":"2026-11-22T05:31:02.500000Z","attempts":8,
  "failure":{"code":"limit-cpu","message":"the run used more than 1000 ms of CPU time; raise limits.cpu-ms or do less"}}"#;

const RUN_OPEN: &str = r#"{"seq":41,"run":"RUN_B","bot":"reminder","state":"pending","trigger":"timer","subject":null,
  "received":"2026-11-22T05:21:00.000000Z","ended":null,"attempts":0,"failure":null}"#;

/// Ids of runs are of a checked type: these are two that exist.
fn ids(text: &str) -> String {
    let id = |part: &[u8]| hob_model::RunId::of_parts(&[part]).to_string();
    let event = hob_model::EventId::of_parts(&[b"a"]).to_string();
    text.replace("RUN_A", &id(b"a")).replace("RUN_B", &id(b"b")).replace("EVENT", &event).replace("CAPABILITIES", CAPABILITIES)
}

fn both(host: &Canned, args: &[&str]) -> String {
    let json: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    format!("{}\n{}", host.hob(args), host.hob(&json))
}

#[test]
fn status() {
    let host = Canned::start(&[("GET /ready", 200, r#"{"ready":true}"#), ("GET /v1/status", 200, STATUS)]);
    insta::assert_snapshot!(both(&host, &["status"]));
    let draining = Canned::start(&[("GET /ready", 503, r#"{"ready":false}"#), ("GET /v1/status", 200, STATUS)]);
    assert!(draining.hob(&["status"]).contains("no: it starts or drains"));
}

#[test]
fn source_add() {
    let host = Canned::start(&[
        ("PUT /v1/tenants/default/sources/hapi", 200, HAPI),
        ("PUT /v1/tenants/north/sources/medplum", 200, &ids(MEDPLUM)),
    ]);
    let plain = host.hob(&["source", "add", "hapi", "--base", "http://localhost:8080/fhir/"]);
    let full = host.hob(&[
        "source",
        "add",
        "medplum",
        "--tenant",
        "north",
        "--base",
        "https://api.medplum.com/fhir/R4",
        "--auth",
        "client-credentials",
        "--token-url",
        "https://api.medplum.com/oauth2/token",
        "--client-id",
        "hob",
        "--client-secret",
        "file:/run/secrets/m",
        "--inbound",
        "hmac",
        "--inbound-secret",
        "env:MEDPLUM_HOOK",
    ]);
    insta::assert_snapshot!(format!("{plain}\n{full}"));
}

#[test]
fn source_add_refuses_secrets_and_strangers() {
    let host = Canned::start(&[]);
    let add = |more: &[&str]| {
        let args: Vec<&str> = ["source", "add", "hapi", "--base", "http://localhost/fhir"].iter().chain(more).copied().collect();
        host.hob(&args)
    };
    let all = [
        add(&["--auth", "bearer"]),
        add(&["--password", "env:X"]),
        add(&["--inbound", "path", "--inbound-header", "X-Y"]),
        add(&["--auth", "bearer", "--auth-token", "abc"]).replace("--auth-token abc", "--auth-token …"),
    ];
    assert!(!all[3].contains("abc"), "the secret is seen");
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn source_list_and_remove() {
    let sources = ids(&format!(r#"{{"sources":[{HAPI},{MEDPLUM}]}}"#));
    let host = Canned::start(&[
        ("GET /v1/tenants/default/sources", 200, &sources),
        ("GET /v1/tenants/empty/sources", 200, r#"{"sources":[]}"#),
        ("DELETE /v1/tenants/default/sources/hapi", 204, ""),
        (
            "DELETE /v1/tenants/default/sources/medplum",
            409,
            r#"{"error":{"code":"source-in-use","message":"the bot `task-router` is deployed on it","help":"remove it first: `hob bots remove task-router`"}}"#,
        ),
    ]);
    let all = [
        host.hob(&["source", "list"]),
        host.hob(&["source", "list", "--tenant", "empty"]),
        both(&host, &["source", "remove", "hapi"]),
        both(&host, &["source", "remove", "medplum"]),
        host.hob(&["source", "remove", "nobody"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn source_check() {
    let steps = "{\"step\":\"transaction is atomic\",\"ok\":true,\"detail\":\"\"}\n{\"step\":\"fence\",\"ok\":false,\"detail\":\"2 of 8 went through\"}\n";
    let result = format!(r#"{{"capabilities":{CAPABILITIES},"usable":USABLE,"problems":PROBLEMS}}"#).replace('\n', "");
    let gaps = r#""recovers":[{"what":"changes","recovered":true,"how":"by the history of each type"},{"what":"deletes","recovered":false,"how":"its history does not show them"}],
        "behind":[{"type":"Observation","seen":"2026-11-22T05:29:00.000000Z","newest":"2026-11-22T05:20:00.000000Z","waiting":0,"more":false},
        {"type":"Task","seen":null,"newest":null,"waiting":1000,"more":true}],"open_runs":3,"usable""#.replace('\n', "");
    let good = result.replace("USABLE", "true").replace("PROBLEMS", "[]").replace("\"usable\"", &gaps);
    let good = format!("{steps}{good}");
    let bad = format!(
        "{steps}{}\n",
        result.replace("USABLE", "false").replace("PROBLEMS", r#"["no fence holds: writes could happen twice"]"#)
    );
    let host = Canned::start(&[
        ("POST /v1/tenants/default/sources/good/check", 200, &good),
        ("POST /v1/tenants/default/sources/bad/check", 200, &bad),
        ("POST /v1/tenants/default/sources/cut/check", 200, steps),
        ("POST /v1/tenants/default/sources/odd/check", 200, "<html>"),
        (
            "POST /v1/tenants/default/sources/off/check",
            200,
            r#"{"error":{"code":"source-check","message":"connection refused","help":"is the server up?"}}"#,
        ),
    ]);
    let check = |name| host.hob(&["source", "check", name]);
    let all =
        [check("good"), host.hob(&["source", "check", "bad", "--json"]), check("bad"), check("cut"), check("odd"), check("off")];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn backfill() {
    let progress = "{\"looked\":200,\"new\":12}\n";
    let counts =
        r#"[{"type":"Task","interaction":"create","new":10,"known":1},{"type":"Task","interaction":"delete","new":4,"known":0}]"#;
    let sum = |dry| {
        format!(
            r#"{{"dry_run":{dry},"looked":340,"new":14,"counts":{counts},"examples":["Task/7 v1","Task/7 v2"],"unreadable":1}}"#
        )
    };
    let wet = format!("{progress}{}\n", sum(false));
    let failed = r#"{"error":{"code":"backfill-read","message":"history of all Task: the server answered 503","help":"give the same command again"}}"#;
    let host = Canned::start(&[
        ("POST /v1/tenants/default/bots/router/backfill", 200, &wet),
        ("POST /v1/tenants/default/bots/dry/backfill", 200, &sum(true)),
        ("POST /v1/tenants/default/bots/cut/backfill", 200, progress),
        ("POST /v1/tenants/default/bots/down/backfill", 200, failed),
    ]);
    let all = [
        host.hob(&["backfill", "router", "--since", "2026-11-01T00:00:00Z", "--type", "Task"]),
        host.hob(&["backfill", "dry", "--dry-run", "--current", "--until", "2026-11-01T00:00:00+01:00"]),
        host.hob(&["backfill", "router", "--json"]),
        host.hob(&["backfill", "cut"]),
        host.hob(&["backfill", "down"]),
        host.hob(&["backfill", "router", "--since", "yesterday"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn bots() {
    let host = Canned::start(&[
        ("GET /v1/tenants/default/bots", 200, &format!(r#"{{"bots":[{ROUTER}]}}"#)),
        ("GET /v1/tenants/empty/bots", 200, r#"{"bots":[]}"#),
        ("DELETE /v1/tenants/default/bots/task-router", 200, r#"{"changes":["set Subscription/5 off"]}"#),
    ]);
    let all = [host.hob(&["bots"]), host.hob(&["bots", "--tenant", "empty"]), both(&host, &["bots", "remove", "task-router"])];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn runs() {
    let host = Canned::start(&[
        ("GET /v1/tenants/default/runs?limit=50", 200, &ids(&format!(r#"{{"runs":[{RUN_DEAD},{RUN_OPEN}],"next":41}}"#))),
        ("GET /v1/tenants/default/runs?bot=task-router&state=dead&limit=2&before=41", 200, r#"{"runs":[],"next":null}"#),
    ]);
    let all = [
        both(&host, &["runs"]),
        host.hob(&["runs", "--bot", "task-router", "--state", "dead", "--limit", "2", "--before", "41"]),
        host.hob(&["runs", "--color", "always"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn retry_and_dead() {
    let run = ids("RUN_A");
    let opened = ids(&RUN_DEAD.replace("\"dead\"", "\"pending\""));
    let dead = ids(&format!(
        r#"{{"runs":[{RUN_DEAD}],"notifications":[{{"seq":9,"received":"2026-11-22T05:00:01.000000Z","source":"hapi","subscription":"task-router.0","format":null,
        "bytes":70000,"cut":false,"reason":{{"code":"notification-json","message":"the body is not JSON that can be read: it ends too early at line 1, column 70001"}}}}],
        "outbox":[{{"seq":3,"run":"RUN_B","key":"sms","bot":"reminder","method":"POST","host":"sms.example.org","staged":"2026-11-22T05:00:01.000000Z",
        "ended":"2026-11-22T05:00:31.000000Z","attempts":1,"reason":{{"code":"outbox-unknown","message":"timed out"}}}}],
        "counts":{{"runs":{{"limit-cpu":1,"scope":12}},"notifications":{{"notification-json":1}},"outbox":{{"outbox-unknown":1}}}}}}"#
    ));
    let of_bot = ids(&format!(r#"{{"runs":[{RUN_DEAD}],"counts":{{"limit-cpu":3}},"next":42}}"#));
    let whole = r#"{"seq":9,"received":"2026-11-22T05:00:01.000000Z","source":"hapi","subscription":null,"format":null,"bytes":3,"cut":false,
      "reason":{"code":"notification-json","message":"no JSON"},"method":"POST","path":"","headers":[["content-type","text/plain"]],
      "body":{"content_type":"text/plain","body":"{x}"}}"#;
    let query = "bot=task-router&code=limit-cpu&since=2026-11-22T00%3A00%3A00.000000Z&limit=50&before=50";
    let request = ids("RUN_B/sms 1");
    let host = Canned::start(&[
        (&format!("POST /v1/tenants/default/runs/{run}/retry"), 200, &opened),
        ("GET /v1/tenants/default/dead?limit=50", 200, &dead),
        ("GET /v1/tenants/default/dead?limit=5", 200, r#"{"runs":[],"notifications":[]}"#),
        (&format!("GET /v1/tenants/default/dead/runs?{query}"), 200, &of_bot),
        ("GET /v1/tenants/default/dead/notifications/9", 200, whole),
        ("POST /v1/tenants/default/dead/notifications/9/retry", 200, r#"{"opened":1}"#),
        (&ids("POST /v1/tenants/default/dead/outbox/RUN_B/sms%201/retry"), 200, r#"{"opened":1}"#),
        ("POST /v1/tenants/default/retry/runs", 200, r#"{"matched":{"limit-cpu":2},"opened":2}"#),
        ("POST /v1/tenants/default/retry/notifications", 200, r#"{"matched":{},"opened":0}"#),
    ]);
    let all = [
        host.hob(&["retry", &run]),
        host.hob(&["dead"]),
        host.hob(&["dead", "--limit", "5"]),
        host.hob(&[
            "dead",
            "runs",
            "--bot",
            "task-router",
            "--reason",
            "limit-cpu",
            "--since",
            "2026-11-22T00:00:00Z",
            "--before",
            "50",
        ]),
        host.hob(&["dead", "--notification", "9"]),
        host.hob(&["retry", "--notification", "9"]),
        host.hob(&["retry", "--outbox", &request]),
        host.hob(&["retry", "--bot", "task-router", "--reason", "limit-cpu"]),
        host.hob(&["retry", "--all", "--dry-run"]),
        host.hob(&["retry", "--notifications", "--all"]),
        host.hob(&["retry"]),
        host.hob(&["retry", "--outbox", &request, "--all"]),
        host.hob(&["retry", &ids("RUN_B")]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn logs() {
    let line = |seq: u32, text: &str| {
        ids(&format!(
            r#"{{"seq":{seq},"at":"2026-11-22T05:20:0{seq}.000000Z","bot":"task-router","run":"RUN_A","level":"info","text":"{text}"}}"#
        ))
    };
    let page =
        format!(r#"{{"lines":[{},{},{}],"next":3}}"#, line(1, "first"), line(2, "second\\n\\u001b[31mred"), line(3, "third"));
    let host = Canned::start(&[
        ("GET /v1/tenants/default/logs?after=0&limit=1000", 200, &page),
        ("GET /v1/tenants/default/logs?after=3&limit=1000", 200, r#"{"lines":[],"next":3}"#),
        (
            "GET /v1/tenants/default/logs?after=3&limit=1000&wait=30",
            200,
            &format!(r#"{{"lines":[{}],"next":4}}"#, line(4, "fourth")),
        ),
        (
            "GET /v1/tenants/default/logs?after=4&limit=1000&wait=30",
            503,
            r#"{"error":{"code":"draining","message":"the host is shutting down","help":"ask again when it is back"}}"#,
        ),
    ]);
    let all = [
        host.hob(&["logs", "--tail", "2"]),
        host.hob(&["logs", "--after", "0", "--json"]),
        host.hob(&["logs", "-f", "--tail", "1"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn invoke() {
    let answer = |state: &str, result: &str| ids(&format!(r#"{{"run":"RUN_A","state":"{state}","result":{result}}}"#));
    let scored = answer("done", r#"{"content_type":"application/json","body":"{\"score\":7}"}"#);
    let binary = answer("done", r#"{"content_type":"application/octet-stream","base64":"aGk="}"#);
    let host = Canned::start(&[
        ("POST /v1/tenants/default/bots/scorer/invoke?wait=30", 200, &scored),
        ("POST /v1/tenants/default/bots/binary/invoke?wait=30", 200, &binary),
        ("POST /v1/tenants/default/bots/slow/invoke?wait=1", 200, &answer("pending", "null")),
        ("POST /v1/tenants/default/bots/slow/invoke?wait=0", 200, &answer("pending", "null")),
        (
            "POST /v1/tenants/default/bots/bad/invoke?wait=30",
            200,
            &answer("dead", "null").replace("\"result\"", r#""failure":{"code":"trap","message":"the bot crashed"},"result""#),
        ),
    ]);
    let env = [("HOB_ADMIN_TOKEN", TOKEN)];
    let all = [
        host.hob_with(&["invoke", "scorer", "--file", "-"], &env, r#"{"resourceType":"QuestionnaireResponse"}"#),
        host.hob_with(&["invoke", "binary", "--file", "-", "--content-type", "text/plain"], &env, "hi"),
        host.hob(&["invoke", "slow", "--wait", "1"]),
        host.hob(&["invoke", "slow", "--wait", "0"]),
        host.hob(&["invoke", "bad"]),
        host.hob(&["invoke", "scorer", "--json"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

/// A run with all that one can have. No patient: the ids are made up.
const WHOLE: &str = r#"{"seq":42,"run":"RUN_A","bot":"task-router","state":"STATE","trigger":"change","subject":"Task/12 v3",
  "received":"2026-11-22T05:20:00.250000Z","ended":"2026-11-22T05:20:02.500000Z","attempts":2,"failure":FAILURE,
  "event":{"id":"EVENT","tenant":"default","source":"hapi","trigger":"change",
    "key":{"tenant":"default","source":"hapi","resource":"Task/12","version":"3"},"interaction":"update","previous":"2",
    "occurred":"2026-11-22T05:19:59.900000Z","received":"2026-11-22T05:20:00.250000Z","hop":0},
  "release":"sha256:0f3a5c7e9b1d2f4a6c8e0f3a5c7e9b1d2f4a6c8e0f3a5c7e9b1d2f4a6c8e0f3a","lane":"resource:Task/12","hop":0,
  "attempts_list":[
    {"number":1,"started":"2026-11-22T05:20:00.300000Z","ended":"2026-11-22T05:20:00.480000Z",
     "failure":{"kind":"conflict","code":"conflict","message":"Task/12 is no longer at version 3","retry_after":null}},
    {"number":2,"started":"2026-11-22T05:20:02.300000Z","ended":"2026-11-22T05:20:02.500000Z","failure":null}],
  "calls":[
    {"function":"fhir.search","request":{"type":"PractitionerRole","query":"active=true&location.address-state=CA&_include=PractitionerRole:practitioner"},
     "response":{"ok":{"entries":[]}},"at":"2026-11-22T05:20:02.310000Z","micros":41234},
    {"function":"fhir.read","request":{"reference":"Patient/p1"},"response":{"error":{"code":"not-found","message":"gone"}},"at":"2026-11-22T05:20:02.360000Z","micros":900}],
  "log":[{"level":"info","text":"12 roles"},{"level":"warn","text":"nobody is licensed\nescalates"}],
  "effects":{"writes":[
     {"write":"update","target":"Task/12","read":"3","resource":{"resourceType":"Task","id":"12"}},
     {"write":"create","resource_type":"Task","reference":"urn:uuid:0f3a5c7e-9b1d-4f4a-8c8e-0f3a5c7e9b1d","is_final":false,"if_none_exist":"identifier=x|1","resource":{"resourceType":"Task"}},
     {"write":"create","resource_type":"Basic","reference":"Basic/b1","is_final":true,"if_none_exist":null,"resource":{"resourceType":"Basic"}},
     {"write":"delete","target":"Flag/9","read":"1"}],
   "guards":[{"target":"PractitionerRole/4","version":"7"}],
   "timers":[{"timer":"set","key":"escalate","at":"2026-11-22T06:20:00.000000Z","payload":{}},{"timer":"cancel","key":"remind"}],
   "outbox":[{"key":"page","method":"POST","url":"https://pager.example.org/v1","headers":[],"body":[]}]},
  "bundle":{"resourceType":"Bundle","type":"transaction"},
  "wrote":["Task/12 v4","Task/77 v1"],
  "result":null,"payload":{"content_type":"application/fhir+json","body":"{\"resourceType\":\"Task\",\"id\":\"12\"}"}}"#;

#[test]
fn show() {
    let (done, dead) = (ids("RUN_A"), ids("RUN_B"));
    let whole = ids(&WHOLE.replace("STATE", "done").replace("FAILURE", "null"));
    let bare = ids(RUN_OPEN)
        .replace("RUN_B", &dead)
        .replace("\"pending\"", "\"rejected\"")
        .replace("\"failure\":null}", "\"failure\":{\"code\":\"bad-form\",\"message\":\"no score\"},");
    let bare = bare
        + &ids(
            r#""event":{"id":"EVENT","tenant":"default","source":null,"trigger":"timer","key":"remind","due":"2026-11-22T05:21:00Z","set_by":"RUN_A","occurred":null,
        "received":"2026-11-22T05:21:00Z","hop":1},"release":"sha256:00","lane":"bot","hop":1,"attempts_list":[],"calls":[],"log":[],"effects":null,"bundle":null,"wrote":[],"result":null,"payload":null}"#,
        );
    let host = Canned::start(&[
        (&format!("GET /v1/tenants/default/runs/{done}"), 200, &whole),
        (&format!("GET /v1/tenants/default/runs/{dead}"), 200, &bare),
    ]);
    let all = [host.hob(&["show", &done]), host.hob(&["show", &done, "--full"]), host.hob(&["show", &dead])];
    insta::assert_snapshot!(all.join("\n"));
    let json = host.hob(&["show", &done, "--json"]);
    assert!(json.contains("\"micros\": 41234"), "{json}");
}

#[test]
fn hosts_that_do_not_answer_as_a_host() {
    let host = Canned::start(&[
        ("GET /v1/tenants/default/bots", 401, ""),
        ("GET /v1/tenants/a/bots", 404, "nothing"),
        ("GET /v1/tenants/b/bots", 500, "oops"),
        ("GET /v1/tenants/c/bots", 200, r#"{"bots":[{"name":"Erika Mustermann"}]}"#),
        ("GET /v1/tenants/d/bots", 200, "<html>"),
        ("GET /v1/tenants/e/bots", 302, ""),
        ("GET /v1/tenants/f/bots", 429, r#"{"error":{"code":"busy","message":"too much at once"}}"#),
    ]);
    let mut all: Vec<String> =
        ["default", "a", "b", "c", "d", "e", "f"].map(|tenant| host.hob(&["bots", "--tenant", tenant])).into();
    all.push(host.hob_with(&["bots"], &[], ""));
    all.push(host.hob_with(&["bots"], &[("HOB_ADMIN_TOKEN", " \n")], ""));
    all.push(host.hob_with(&["bots", "--token-env", "OTHER", "--json"], &[], ""));
    all.push(host.hob_with(&["bots", "--token-file", "no/such/file"], &[], ""));
    all.push(host.hob_with(&["bots", "--host", "ftp://x"], &[], ""));
    let all = all.join("\n");
    assert!(!all.contains("Erika"));
    insta::assert_snapshot!(all);
}

#[test]
fn a_token_file_will_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let host = Canned::start(&[("GET /v1/tenants/default/bots", 200, r#"{"bots":[]}"#)]);
    let seen = host.hob_with(&["bots", "--token-file", file.to_str().unwrap()], &[], "");
    assert!(seen.contains("exit 0") && !seen.contains("without the token"), "{seen}");
}

#[test]
fn nobody_listens() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}");
    let seen = support::hob(&["status", "--host", &url], &[("HOB_ADMIN_TOKEN", TOKEN)], "");
    insta::assert_snapshot!(seen.replace(&url, "http://HOST"));
}
