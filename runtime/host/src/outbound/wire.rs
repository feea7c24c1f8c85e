//! The transport of bots' requests as it is in service, against servers on loopback.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Request;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hob_fhir::{Answer, Network, NoAnswer, Transport as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

use super::{BODY, Reach};

/// Ways to write an address or a name that leads inside. All but the names lead to the same refusal without a look-up.
const INSIDE: [&str; 60] = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "127.8.9.10",
    "2130706433",
    "0x7f000001",
    "0x7F000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "0177.1",
    "017700000001",
    "0177.0x0.0.01",
    "0",
    "0.0.0.0",
    "0x0",
    "10.0.0.1",
    "0xa.1",
    "012.1",
    "172.16.0.1",
    "192.168.0.1",
    "3232235521",
    "169.254.169.254",
    "2852039166",
    "0xA9FEA9FE",
    "0251.0376.0251.0376",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7f00:1]",
    "[0:0:0:0:0:ffff:169.254.169.254]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:FF9B::a9fe:a9fe]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::1]",
    "[2002:a9fe:a9fe::]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "user@127.0.0.1",
    "sms.example:443@127.0.0.1",
    // Full-width and circled digits, the ideographic full stop, percent-encoding.
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "%31%32%37.0.0.1",
    "0x7f。1",
];

/// Names of this machine.
const NAMES: [&str; 5] = ["localhost", "LOCALHOST", "localhost.", "ｌｏｃａｌｈｏｓｔ", "user@localhost"];

fn network(allowed: &[&str]) -> Network {
    let reach = Reach::new(allowed.iter().map(|text| text.parse().unwrap()).collect());
    Network::guarded(Duration::from_secs(5), "test", Arc::new(reach)).unwrap()
}

/// A server on loopback that gives everybody this answer; counts who came.
async fn server(answer: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(&answer).await;
        }
    });
    (port, came)
}

async fn get(network: &Network, url: &str) -> Result<Answer, NoAnswer> {
    network.exchange(Request::get(url).body(Bytes::new()).unwrap(), BODY).await
}

#[tokio::test]
async fn no_spelling_of_an_address_leads_inside() {
    let (port, came) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let network = network(&[]);
    let at_port = |spelled: &str| match spelled.split_once(']') {
        Some((address, _)) => format!("http://{address}]:{port}/"),
        None => format!("http://{spelled}:{port}/"),
    };
    for spelled in INSIDE {
        // As the engine gives it to the host.
        let url = Url::parse(&at_port(spelled)).unwrap();
        assert_eq!(get(&network, url.as_str()).await.unwrap_err(), NoAnswer::Forbidden, "{spelled}");
        // As it was written, where the request's own type takes that.
        if let Ok(request) = Request::get(at_port(spelled)).body(Bytes::new()) {
            assert_eq!(network.exchange(request, BODY).await.unwrap_err(), NoAnswer::Forbidden, "{spelled}");
        }
    }
    for name in NAMES {
        let refused = get(&network, Url::parse(&at_port(name)).unwrap().as_str()).await.unwrap_err();
        // A machine may not know itself by the name with a dot.
        let unknown = name.ends_with('.') && matches!(refused, NoAnswer::NotSent(_));
        assert!(refused == NoAnswer::Forbidden || unknown, "{name}: {refused:?}");
    }
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_the_operator_lists_is_reached_by_address_and_by_name() {
    let (port, came) = server(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    for (allowed, host) in [("127.0.0.1", "127.0.0.1"), ("127.0.0.0/8", "0x7f.1"), ("localhost", "localhost")] {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        assert_eq!(get(&network(&[allowed]), url.as_str()).await.unwrap().status, 200, "{allowed}");
    }
    assert_eq!(came.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (inside, came) = server(Vec::new()).await;
    let redirect =
        format!("HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:{inside}/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let (port, _) = server(redirect.into_bytes()).await;
    let answer = get(&network(&["127.0.0.1"]), &format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!((answer.status, came.load(Ordering::SeqCst)), (307, 0));
}

#[tokio::test]
async fn a_body_is_counted_after_it_was_decompressed() {
    // 64 MiB of nothing are some 64 KiB on the wire.
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        packed.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 128 * 1024, "{}", packed.len());
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", packed.len());
    let (port, _) = server([head.as_bytes(), &packed].concat()).await;
    let answer = get(&network(&["127.0.0.1"]), &format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!((answer.body.len(), answer.whole), (BODY, false));
    assert!(answer.body.iter().all(|byte| *byte == 0));
}
