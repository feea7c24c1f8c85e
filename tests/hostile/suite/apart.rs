//! A case in a process of its own: the test's own program, started again for the one case, with a bound on its memory and its time. A host that
//! dies, hangs or eats the machine's memory does that there.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use crate::judge::{self, Row};
use crate::neighbour::Beside;

/// Names the case to the process.
const CASE: &str = "HOB_HOSTILE_CASE";
/// What comes before the row that the process prints.
const MARK: &str = "hostile-row ";
/// What the process may write to, in KiB: what the engine maps but does not use does not count.
const MEMORY_KIB: u32 = 3 << 20;
/// The case itself, the work after it, and the measurement.
const MOST: Duration = Duration::from_secs(90);

/// Whether this process is one for a single case.
pub(crate) fn is_here() -> bool {
    std::env::var_os(CASE).is_some()
}

/// The row of the case, from a process of its own.
pub(crate) async fn judge(name: &str) -> Row {
    let began = Instant::now();
    let wrong = |why: String| Row { name: name.to_owned(), end: Err(why), took: began.elapsed(), beside: None };
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -c 0; ulimit -d {MEMORY_KIB}; exec \"$@\""), "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["apart::one", "--exact", "--ignored", "--nocapture"])
        .env(CASE, name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = match timeout(MOST, command.output()).await {
        Err(_) => return wrong(format!("the process has not ended after {MOST:?}")),
        Ok(Err(why)) => return wrong(why.to_string()),
        Ok(Ok(output)) => output,
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let Some(row) = said.lines().find_map(|line| serde_json::from_str::<Value>(line.split_once(MARK)?.1).ok()) else {
        let error = String::from_utf8_lossy(&output.stderr);
        let last = error.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        return wrong(format!("the process died: {}, {last}", output.status));
    };
    let micros = |key: &str| row[key].as_u64().map(Duration::from_micros);
    Row {
        name: name.to_owned(),
        end: match row["wrong"].as_str() {
            Some(wrong) => Err(wrong.to_owned()),
            None => Ok(row["end"].as_str().unwrap_or_default().to_owned()),
        },
        took: micros("took").unwrap_or_default(),
        beside: micros("alone").zip(micros("beside")).map(|(alone, beside)| Beside { alone, beside }),
    }
}

#[test]
#[ignore = "the other tests start it, for one case"]
fn one() {
    let Ok(name) = std::env::var(CASE) else { return };
    let case = crate::groups().into_iter().flat_map(|(_, cases)| cases).find(|case| case.name == name).expect("no such case");
    let row = crate::stage::runtime().block_on(judge::judge(&case));
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap();
    let line = json!({
        "end": row.end.as_ref().ok(),
        "wrong": row.end.as_ref().err(),
        "took": micros(row.took),
        "alone": row.beside.map(|beside| micros(beside.alone)),
        "beside": row.beside.map(|beside| micros(beside.beside)),
    });
    println!("{MARK}{line}");
    // Whatever the case left running must not hold the process.
    std::process::exit(0);
}
