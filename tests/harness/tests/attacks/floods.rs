//! Many tokens: what they may cost, and whom.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regionguard_harness::config::Base;
use regionguard_harness::issuer::{Issuer, with_bad_signature};
use regionguard_harness::upstream::Upstream;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::common::{EU, HOST, Issuers, NOWHERE, Site, US, bundle, token};
use crate::scene::{never_trapped, profile, shop, site_with};

/// How many connections a client has.
const LANES: usize = 16;

/// A hundred thousand tokens, each of them valid. Every fourth comes three times, and is remembered then: what a worker remembers stays within its bound.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_valid_tokens() {
    let issuers = Arc::new(Issuers::new());
    let site = small_site("attacks-many-tokens", &issuers).await;
    let known = token(&issuers.us, "honest", &["read:profile"]);
    for _ in 0..2 {
        site.ask(profile(&known)).await.allowed("rule.allowed", "inline");
    }
    let mut sizes = vec![resident(&site)];
    for part in 0..5 {
        let (address, issuers, known) = (site.envoy.address(), Arc::clone(&issuers), known.clone());
        let counts = spawn_blocking(move || {
            let mut lanes = Lanes::open(address, US);
            // One is in use all the time: those that come and go do not push it out.
            let tokens = (0..20_000).flat_map(|number| {
                let name = format!("user-{part}-{number}");
                let token = token(&issuers.us, &name, &["read:profile"]);
                let times = if number % 4 == 0 { 3 } else { 1 };
                vec![token; times]
                    .into_iter()
                    .chain((number % 100 == 0).then(|| known.clone()))
            });
            lanes.send_all(tokens)
        });
        assert_eq!(counts.await.unwrap(), [(200, 30_200)]);
        sizes.push(resident(&site));
    }
    let megabytes: Vec<u64> = sizes.iter().map(|size| size >> 20).collect();
    println!("resident after every 20,000 tokens, in MiB: {megabytes:?}");
    let (hits, misses) = (
        site.counter("token_cache.hit").await,
        site.counter("token_cache.miss").await,
    );
    println!("{hits} hits, {misses} misses");
    assert!(misses > 100_000, "each token was new once: {misses}");
    assert!(hits > 15_000, "and one of four was known in the end: {hits}");
    // A token takes some 2 KB of the cache, whose bound is 8 MiB: those that came again would be 50 MiB, and all of them 200.
    assert!(sizes[5].saturating_sub(sizes[0]) < 30 << 20, "{megabytes:?}");
    assert!(
        sizes[5].saturating_sub(sizes[2]) < 8 << 20,
        "it goes on growing: {megabytes:?}"
    );
    let before = site.counter("token_cache.miss").await;
    let answer = site.client(US).send(&profile(&known)).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(
        site.counter("token_cache.miss").await,
        before,
        "the token in use was pushed out"
    );
    never_trapped(&site).await;
}

/// Bad signatures as fast as they can be sent: few are verified, and whoever else asks hardly notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_bad_signatures_leaves_others_fast() {
    let issuers = Arc::new(Issuers::new());
    let site = small_site("attacks-flood", &issuers).await;
    let known = token(&issuers.us, "honest", &["read:profile"]);
    site.ask(profile(&known)).await.allowed("rule.allowed", "inline");
    let calm = latencies(&site, &known).await;

    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let floods = [EU, "127.0.2.2"].map(|source| {
        let (address, stop, issuers) = (site.envoy.address(), Arc::clone(&stop), Arc::clone(&issuers));
        spawn_blocking(move || flood(address, source, &issuers.us, &stop))
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let under_fire = latencies(&site, &known).await;
    // New tokens of others are verified meanwhile.
    for number in 0..20 {
        let fresh = token(&issuers.us, &format!("newcomer-{number}"), &["read:profile"]);
        let answer = site.client(NOWHERE).send(&profile(&fresh)).await.unwrap();
        assert_eq!(answer.status, 200, "a newcomer");
    }
    stop.store(true, Ordering::SeqCst);
    let mut counts: Vec<(u16, usize)> = Vec::new();
    for flood in floods {
        counts.extend(flood.await.unwrap());
    }
    let seconds = began.elapsed().as_secs_f64();
    let sum = |status: u16| {
        counts
            .iter()
            .filter(|(found, _)| *found == status)
            .map(|(_, count)| count)
            .sum::<usize>()
    };
    let (verified, refused) = (sum(401), sum(429));
    println!(
        "in {seconds:.1} s {verified} were verified and {refused} were not; p50 and p99 of others: {calm:?} without, {under_fire:?} with"
    );
    assert_eq!(
        verified + refused,
        counts.iter().map(|(_, count)| count).sum::<usize>(),
        "{counts:?}"
    );
    assert!(refused > 2_000, "that was no flood: {counts:?}");
    // 20 at once and 5 a second for each peer; a little more for the seconds at both ends.
    let allowed = 2.0 * (20.0 + 5.0 * (seconds + 2.0));
    assert!(
        (verified as f64) < allowed,
        "{verified} in {seconds} s, {allowed} at most"
    );
    let limit = calm.1 * 10 + Duration::from_millis(40);
    assert!(under_fire.1 < limit, "{under_fire:?} with the flood, {calm:?} without");
    never_trapped(&site).await;
}

/// A hundred thousand names of keys that are not there, each in a token that would do but for that: the endpoint of the keys is asked at its pace and no faster.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_unknown_kids() {
    let issuers = Arc::new(Issuers::new());
    let endpoint = Upstream::start_constant(&issuers.us.jwks().to_string()).await.unwrap();
    let mut regions = issuers.regions();
    regions[0]["spec"]["keys"] =
        json!({"remote": {"cluster": "identity-us-east-1", "path": "/jwks.json", "refresh": "1h"}});
    let bundle = bundle(41, &regions, &[shop()]);
    let site = Site::start_with("attacks-many-kids", Base::Sidecar, &bundle, |config| {
        config.concurrency(1).cluster("identity-us-east-1", endpoint.address())
    })
    .await;
    let known = token(&issuers.us, "honest", &["read:profile"]);
    site.ask(profile(&known)).await.allowed("rule.allowed", "inline");
    let (before, asked) = (resident(&site), endpoint.count());
    let began = Instant::now();
    let address = site.envoy.address();
    let counts = spawn_blocking(move || {
        // Nobody looks at the signature of a token whose key is not there.
        let [_, claims, signature] = known.split('.').collect::<Vec<_>>().try_into().unwrap();
        let tokens = (0..100_000).map(|number| {
            let header = format!(r#"{{"alg":"ES256","kid":"us-east-1-p256-{number}"}}"#);
            format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode(header))
        });
        Lanes::open(address, EU).send_all(tokens)
    });
    assert_eq!(counts.await.unwrap(), [(401, 100_000)]);
    let (seconds, fetches) = (began.elapsed().as_secs(), endpoint.count() - asked);
    let grown = resident(&site).saturating_sub(before) >> 20;
    println!("{fetches} fetches in {seconds} s for 100,000 names, {grown} MiB more");
    assert!(fetches >= 1, "the first of them was worth a look");
    // Once in ten seconds for the one worker, and once for the VM on the main thread, should that be late.
    assert!(fetches <= seconds / 10 + 3, "{fetches} fetches in {seconds} s");
    assert!(grown < 30, "{grown} MiB more");
    let entry = site.lines(100_001).await.pop().unwrap();
    assert_eq!(entry.decision().unwrap().reason, "identity.key_unknown");
    let fresh = token(&issuers.us, "newcomer", &["read:profile"]);
    let answer = site.client(US).send(&profile(&fresh)).await.unwrap();
    assert_eq!(answer.status, 200, "a newcomer");
    never_trapped(&site).await;
}

/// With one worker.
async fn small_site(name: &str, issuers: &Issuers) -> Site {
    site_with(name, issuers, |config| config.concurrency(1)).await
}

/// Median and 99th percentile of a known token's requests, one after the other, from a peer of its own.
async fn latencies(site: &Site, known: &str) -> (Duration, Duration) {
    let mut connection = site.client(US).connect().await.unwrap();
    let mut times = Vec::new();
    for _ in 0..1_000 {
        let answer = connection.send(&profile(known)).await.unwrap();
        assert_eq!(answer.status, 200);
        times.push(answer.elapsed);
    }
    times.sort_unstable();
    (times[500], times[990])
}

/// Different tokens with bad signatures until it is told to stop.
fn flood(address: SocketAddr, source: &str, issuer: &Issuer, stop: &AtomicBool) -> Vec<(u16, usize)> {
    let tokens: Vec<String> = (0..500)
        .map(|number| with_bad_signature(&token(issuer, &format!("mallory-{number}"), &["read:profile"])).unwrap())
        .collect();
    let mut lanes = Lanes::open(address, source);
    let endless = tokens
        .iter()
        .cycle()
        .take_while(|_| !stop.load(Ordering::SeqCst))
        .cloned();
    lanes.send_all(endless)
}

/// The memory that Envoy has at this moment, in bytes.
fn resident(site: &Site) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", site.envoy.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Connections that stay open, with one request on each, then one answer from each.
struct Lanes {
    streams: Vec<TcpStream>,
}

impl Lanes {
    fn open(address: SocketAddr, source: &str) -> Self {
        let source: IpAddr = source.parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let open = || {
            let stream = runtime.block_on(async move {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind(SocketAddr::new(source, 0)).unwrap();
                socket.connect(address).await.unwrap().into_std().unwrap()
            });
            stream.set_nonblocking(false).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            stream
        };
        Self {
            streams: (0..LANES).map(|_| open()).collect(),
        }
    }

    /// Asks for a profile with each of these tokens; how often there was which status.
    fn send_all(&mut self, mut tokens: impl Iterator<Item = String>) -> Vec<(u16, usize)> {
        let mut counts = BTreeMap::new();
        loop {
            let batch: Vec<String> = tokens.by_ref().take(self.streams.len()).collect();
            for (stream, token) in self.streams.iter_mut().zip(&batch) {
                let request =
                    format!("GET /v1/profiles/42 HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\n\r\n");
                stream.write_all(request.as_bytes()).unwrap();
            }
            for stream in self.streams.iter_mut().take(batch.len()) {
                *counts.entry(status(stream)).or_insert(0) += 1;
            }
            if batch.len() < self.streams.len() {
                return counts.into_iter().collect();
            }
        }
    }
}

/// The status of the next answer, which has a content length, and nothing behind it.
fn status(stream: &mut TcpStream) -> u16 {
    let (mut read, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let length = stream.read(&mut chunk).unwrap();
        assert!(
            length > 0,
            "the proxy closed the connection after {:?}",
            String::from_utf8_lossy(&read)
        );
        read.extend_from_slice(&chunk[..length]);
        if let Some((status, length)) = answer(&read) {
            assert_eq!(read.len(), length);
            return status;
        }
    }
}

/// Status and length of the answer at the beginning, once it is whole.
fn answer(bytes: &[u8]) -> Option<(u16, usize)> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap().to_ascii_lowercase();
    let length = text.split("content-length: ").nth(1).expect("a content length");
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    (bytes.len() >= head + length).then(|| (text[9..12].parse().unwrap(), head + length))
}
