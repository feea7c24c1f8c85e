//! Requests whose receivers somebody else than the operator names: they go only to addresses that a [`Guard`] allows.
//!
//! The addresses are judged in the look-up that the connection uses: hyper connects to what [`Guarded`] gives and looks up nothing itself, so a name that
//! changes between a check and its use (DNS rebinding) gains nothing. A host that is written as an address is not looked up at all, so [`permits`] judges it
//! before: as the URL's parser has it, in whatever spelling it was written.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Says which addresses may be asked.
pub trait Guard: Send + Sync {
    /// Whether a request to `host`, in the normal form of URLs, may go to `address`.
    fn allows(&self, host: &str, address: IpAddr) -> bool;
}

/// Finds the addresses of a name.
#[async_trait]
pub(crate) trait Lookup: Send + Sync {
    async fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>>;
}

/// As the machine is set up to.
pub(crate) struct System;

#[async_trait]
impl Lookup for System {
    async fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        // Port 0 leaves the port to the URL.
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// A look-up without what the guard does not allow.
pub(crate) struct Guarded {
    pub(crate) guard: Arc<dyn Guard>,
    pub(crate) lookup: Arc<dyn Lookup>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, lookup) = (Arc::clone(&self.guard), Arc::clone(&self.lookup));
        Box::pin(async move {
            let mut found = lookup.look_up(name.as_str()).await?;
            let any = !found.is_empty();
            found.retain(|address| guard.allows(name.as_str(), address.ip()));
            if any && found.is_empty() {
                return Err(Forbidden.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether the guard lets a request go to this URL, as far as can be said without a look-up.
pub(crate) fn permits(guard: &dyn Guard, url: &Url) -> bool {
    let Some(text) = url.host_str() else { return false };
    match url.host() {
        Some(Host::Ipv4(address)) => guard.allows(text, address.into()),
        Some(Host::Ipv6(address)) => guard.allows(text, address.into()),
        Some(Host::Domain(_)) => true,
        None => false,
    }
}

/// A name that has addresses, and none that may be asked.
#[derive(Debug)]
struct Forbidden;

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address that may be asked")
    }
}

impl Error for Forbidden {}

/// Whether an exchange failed since the guard allowed no address.
pub(crate) fn is_forbidden(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<Forbidden>() {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Mutex;
    use std::time::Duration;

    use bytes::Bytes;
    use http::Request;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::Network;
    use crate::transport::{NoAnswer, Transport as _};

    /// Lets through what is on its list.
    struct Only(&'static [IpAddr]);

    impl Guard for Only {
        fn allows(&self, _host: &str, address: IpAddr) -> bool {
            self.0.contains(&address)
        }
    }

    /// Answers each look-up with the next of its lists, the last one for good, and counts them.
    struct Script(Mutex<(usize, Vec<Vec<IpAddr>>)>);

    impl Script {
        fn new(answers: &[&[IpAddr]]) -> Arc<Self> {
            Arc::new(Self(Mutex::new((0, answers.iter().map(|list| list.to_vec()).collect()))))
        }

        fn asked(&self) -> usize {
            self.0.lock().unwrap().0
        }
    }

    #[async_trait]
    impl Lookup for Script {
        async fn look_up(&self, _name: &str) -> io::Result<Vec<SocketAddr>> {
            let mut script = self.0.lock().unwrap();
            let at = script.0.min(script.1.len() - 1);
            script.0 += 1;
            Ok(script.1[at].iter().map(|address| SocketAddr::new(*address, 0)).collect())
        }
    }

    const GOOD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
    const BAD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

    /// A server that says its name, and counts who came.
    async fn server(address: SocketAddr, name: &'static str) -> (SocketAddr, Arc<Mutex<usize>>) {
        let listener = TcpListener::bind(address).await.unwrap();
        let at = listener.local_addr().unwrap();
        let came = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&came);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                let mut head = [0; 4_096];
                let _ = stream.read(&mut head).await;
                let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{name}", name.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (at, came)
    }

    async fn two_servers() -> (u16, Arc<Mutex<usize>>, Arc<Mutex<usize>>) {
        // The same port on both addresses; another test may have taken it on one of them.
        loop {
            let (good, came) = server(SocketAddr::new(GOOD, 0), "good").await;
            if let Ok(free) = TcpListener::bind((BAD, good.port())).await {
                drop(free);
                let (_, bad) = server(SocketAddr::new(BAD, good.port()), "bad").await;
                return (good.port(), came, bad);
            }
        }
    }

    fn network(lookup: Arc<Script>) -> Network {
        Network::over(Duration::from_secs(5), "test", Arc::new(Only(&[GOOD])), lookup).unwrap()
    }

    async fn get(network: &Network, url: &str) -> Result<Bytes, NoAnswer> {
        network.exchange(Request::get(url).body(Bytes::new()).unwrap(), 64).await.map(|answer| answer.body)
    }

    #[tokio::test]
    async fn a_name_that_changes_its_address_is_never_followed_to_one_that_is_not_allowed() {
        let (port, good, bad) = two_servers().await;
        let lookup = Script::new(&[&[GOOD], &[BAD]]);
        let network = network(Arc::clone(&lookup));
        let url = format!("http://rebinds.example:{port}/");
        assert_eq!(get(&network, &url).await.unwrap(), "good");
        // One look-up a connection: what was judged is what was connected to.
        assert_eq!(lookup.asked(), 1);
        for _ in 0..3 {
            assert_eq!(get(&network, &url).await.unwrap_err(), NoAnswer::Forbidden);
        }
        assert_eq!((lookup.asked(), *good.lock().unwrap(), *bad.lock().unwrap()), (4, 1, 0));
    }

    #[tokio::test]
    async fn of_several_addresses_only_those_that_are_allowed_are_used() {
        let (port, good, bad) = two_servers().await;
        let network = network(Script::new(&[&[BAD, GOOD, BAD]]));
        for _ in 0..4 {
            assert_eq!(get(&network, &format!("http://both.example:{port}/")).await.unwrap(), "good");
        }
        assert_eq!((*good.lock().unwrap(), *bad.lock().unwrap()), (4, 0));
    }

    #[tokio::test]
    async fn an_address_in_the_url_is_judged_without_a_look_up() {
        let (port, good, bad) = two_servers().await;
        let lookup = Script::new(&[&[GOOD]]);
        let network = network(Arc::clone(&lookup));
        for spelled in ["127.0.0.2", "2130706434", "0x7f000002", "0177.0.0.2", "127.2", "127.0.0.2."] {
            assert_eq!(get(&network, &format!("http://{spelled}:{port}/")).await.unwrap_err(), NoAnswer::Forbidden, "{spelled}");
        }
        assert_eq!(get(&network, &format!("http://2130706433:{port}/")).await.unwrap(), "good");
        assert_eq!((lookup.asked(), *good.lock().unwrap(), *bad.lock().unwrap()), (0, 1, 0));
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_no_connection_and_not_forbidden() {
        let network = network(Script::new(&[&[]]));
        assert!(matches!(get(&network, "http://nobody.example/").await.unwrap_err(), NoAnswer::NotSent(_)));
    }
}
