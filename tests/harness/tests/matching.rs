//! What rules look at in a request beside host, method and path, upgrades, and what a policy lets in without a token, on a real Envoy.

mod common;
#[path = "support/sockets.rs"]
mod sockets;

use bytes::Bytes;
use common::{HOST, Issuers, Site, bundle, get, policy, token};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use regionguard_harness::access_log::Entry;
use regionguard_harness::client::{Protocol, Request};
use regionguard_harness::config::Base;
use regionguard_harness::raw::RawRequest;
use serde_json::{Value, json};
use sockets::{Echo, ask_raw, handshake, says_what_it_hears, upgrading};
use tokio::net::TcpStream;

/// The line of the one request that came in since there were so many.
async fn line(site: &Site, before: usize) -> Entry {
    site.envoy.access_log().after(before).await.unwrap()
}

fn shop() -> Value {
    policy(
        "shop",
        json!({
            "preflight": "allow",
            "rules": [
                {"name": "socket", "methods": ["GET"], "paths": ["/ws/live"], "upgrades": ["websocket"],
                 "permissions": {"anyOf": ["read:live"]}, "effect": "allow"},
                {"name": "tunnel", "hosts": [format!("{HOST}:5432")], "upgrades": ["connect"],
                 "permissions": {"anyOf": ["read:live"]}, "effect": "allow"},
                {"name": "plain", "paths": ["/ws/**", "/v1/**"], "permissions": {"anyOf": ["read:live"]}, "effect": "allow"},
                {"name": "closed", "paths": ["/ws/closed"], "effect": "deny"},
                {"name": "tenant", "paths": ["/t"], "identity": "none",
                 "headers": [{"name": "x-tenant", "in": ["north", "south"]}], "query": [{"name": "draft", "absent": true}],
                 "effect": "allow"},
                {"name": "orders", "grpc": {"services": ["shop.v1.Orders"], "methods": ["Get"]}, "identity": "none", "effect": "allow"},
            ],
        }),
    )
}

#[tokio::test]
async fn what_is_looked_at_beside_host_method_and_path() {
    let issuers = Issuers::new();
    let sockets = Echo::start(true).await;
    let tunnel = Echo::start(false).await;
    let pushed = bundle(1, &issuers.regions(), &[shop()]);
    let site = Site::start_with("matching", Base::Sidecar, &pushed, |config| {
        upgrading(config, sockets.address, tunnel.address)
    })
    .await;
    let alice = token(&issuers.us, "alice", &["read:live"]);
    let bob = token(&issuers.us, "bob", &[]);

    upgrades(&site, &sockets, &alice, &bob).await;
    over_http2(&site, &sockets, &alice, &bob).await;
    tunnels(&site, &tunnel, &alice, &bob).await;
    headers_query_and_grpc(&site).await;
    openings_and_places(&site, &issuers, &alice).await;
    paths(&site, &issuers, &alice).await;
}

/// WebSocket over HTTP/1.
async fn upgrades(site: &Site, sockets: &Echo, alice: &str, bob: &str) {
    let before = site.envoy.access_log().entries().len();
    let (status, mut stream) = ask_raw(site, &handshake("/ws/live", "websocket", Some(alice))).await;
    assert_eq!((status, sockets.count()), (101, 1));
    says_what_it_hears(&mut stream).await;
    drop(stream);
    let decision = line(site, before).await.decision().unwrap();
    assert_eq!(
        (
            decision.verdict.as_str(),
            decision.reason.as_str(),
            decision.rule.as_str()
        ),
        ("allow", "rule.allowed", "shop/socket")
    );
    for (path, protocol, token, status, reason) in [
        ("/ws/live", "websocket", None, 401, "identity.missing"),
        ("/ws/live", "websocket", Some(bob), 403, "permission.missing"),
        ("/ws/closed", "websocket", Some(alice), 403, "rule.denied"),
        // A rule for plain requests lets no upgrade in.
        ("/ws/other", "websocket", Some(alice), 403, "request.upgrade"),
        ("/ws/other", "websocket", None, 401, "identity.missing"),
    ] {
        let before = site.envoy.access_log().entries().len();
        let (found, _) = ask_raw(site, &handshake(path, protocol, token)).await;
        let entry = line(site, before).await;
        let decision = entry.decision().unwrap_or_else(|| panic!("{entry:?}"));
        assert_eq!((found, decision.reason.as_str()), (status, reason), "{path} {protocol}");
    }
    // Nothing of these reached the server; neither does what asks for several protocols. Envoy takes `h2c` out of a request, which then is a plain one.
    let (found, _) = ask_raw(site, &handshake("/ws/live", "websocket, h2c", Some(alice))).await;
    assert_eq!(found, 403);
    let (found, _) = ask_raw(site, &handshake("/v1/x", "h2c", Some(alice))).await;
    assert_eq!(found, 200);
    assert_eq!(sockets.count(), 1);
    // Nor does a plain request by the rule for the upgrade alone: here another rule lets it in.
    let seen = site.ask(get("/v1/x").bearer(alice)).await;
    assert_eq!(seen.allowed("rule.allowed", "inline").decision().rule, "shop/plain");
}

/// WebSocket over HTTP/2 (RFC 8441): one rule is for both.
async fn over_http2(site: &Site, sockets: &Echo, alice: &str, bob: &str) {
    let stream = TcpStream::connect(site.envoy.address()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    // The server's settings say that it takes such a CONNECT: they are there once it has answered something.
    for (token, status) in [(None, 401), (Some(bob), 403), (Some(alice), 200)] {
        let plain = hyper::Request::get(format!("http://{HOST}/nowhere"))
            .body(Empty::<Bytes>::new())
            .unwrap();
        sender.send_request(plain).await.unwrap();
        let mut request = hyper::Request::builder()
            .method("CONNECT")
            .uri(format!("http://{HOST}/ws/live"))
            .extension(hyper::ext::Protocol::from_static("websocket"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let count = sockets.count();
        let mut answer = sender
            .send_request(request.body(Empty::<Bytes>::new()).unwrap())
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status);
        if status != 200 {
            assert_eq!(sockets.count(), count);
            continue;
        }
        let upgraded = hyper::upgrade::on(&mut answer).await.unwrap();
        says_what_it_hears(&mut TokioIo::new(upgraded)).await;
        assert_eq!(sockets.count(), count + 1);
    }
}

/// CONNECT.
async fn tunnels(site: &Site, tunnel: &Echo, alice: &str, bob: &str) {
    let connect = |authority: &str, token: &str| {
        format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {token}\r\n\r\n")
    };
    let (status, mut stream) = ask_raw(site, &connect(&format!("{HOST}:5432"), alice)).await;
    assert_eq!(status, 200);
    says_what_it_hears(&mut stream).await;
    assert_eq!(tunnel.count(), 1);
    for (authority, token) in [(format!("{HOST}:5432"), bob), (format!("{HOST}:22"), alice)] {
        let (status, _) = ask_raw(site, &connect(&authority, token)).await;
        assert_eq!(status, 403, "{authority}");
    }
    assert_eq!(tunnel.count(), 1);
}

async fn headers_query_and_grpc(site: &Site) {
    let tenant = |path: &str, value: &str| get(path).header("x-tenant", value);
    for request in [tenant("/t", "north"), tenant("/t?a=1", "south")] {
        site.ask(request).await.allowed("rule.public", "inline");
    }
    for request in [
        get("/t"),
        tenant("/t", "east"),
        tenant("/t", "north,east"),
        tenant("/t", "north").header("x-tenant", "east"),
        tenant("/t?draft=1", "north"),
        tenant("/t?DRAFT=1", "north"),
        tenant("/t?a=%zz", "north"),
    ] {
        site.ask(request).await.denied(401, "identity.missing", "inline");
    }
    // Bytes that are no text are no match, and nothing worse.
    let odd = RawRequest::new("GET", "/t")
        .header("host", HOST)
        .header("x-tenant", b"\xE9\xFF");
    assert_eq!(odd.send(site.envoy.address(), None).await.unwrap().status, 401);
    let call = |path: &str, kind: &str| {
        Request::new("POST", path)
            .host(HOST)
            .header("content-type", kind)
            .body("")
    };
    let client = site.client(common::US).over(Protocol::Http2);
    let answer = client
        .send(&call("/shop.v1.Orders/Get", "application/grpc"))
        .await
        .unwrap();
    assert_eq!(answer.trailer("grpc-status").as_deref(), Some("0"));
    // A refusal of gRPC is a status of gRPC, of anything else one of HTTP.
    let answer = client
        .send(&call("/shop.v1.Orders/Drop", "application/grpc"))
        .await
        .unwrap();
    assert_eq!(answer.header("grpc-status").as_deref(), Some("16"));
    let answer = client
        .send(&call("/shop.v1.Orders/Get", "application/json"))
        .await
        .unwrap();
    assert_eq!(answer.status, 401);
}

async fn openings_and_places(site: &Site, issuers: &Issuers, alice: &str) {
    let preflight = |method: &str| {
        let request = Request::new("OPTIONS", "/v1/x")
            .host(HOST)
            .header("origin", "https://shop.example");
        request.header("access-control-request-method", method)
    };
    site.ask(preflight("PUT"))
        .await
        .allowed("policy.preflight_allowed", "default");
    site.ask(preflight("PUT").body("x"))
        .await
        .denied(401, "identity.missing", "inline");
    site.ask(Request::new("OPTIONS", "/v1/x").host(HOST))
        .await
        .denied(401, "identity.missing", "inline");

    let probing = |version: u64, port: u16, selector: Value| {
        let probes = json!({"selector": selector, "probes": [{"path": "/healthz", "port": port}], "rules": [
            {"name": "read", "paths": ["/v1/x"], "permissions": {"anyOf": ["read:live"]}, "effect": "allow"}]});
        bundle(version, &issuers.regions(), &[policy("probed", probes)])
    };
    let own = site.envoy.address().port();
    let here = json!({"localRegions": ["us-east-1"], "workloads": ["ns/shop/sa/api", "spiffe://prod/ns/web/*"]});
    for (version, port, selector, let_in) in [
        (2, own, here.clone(), true),
        (3, own ^ 1, here, false),
        (4, own, json!({"workloads": ["spiffe://test/ns/shop/*"]}), false),
        (5, own, json!({"localRegions": ["eu-west-1"]}), false),
    ] {
        let pushed = probing(version, port, selector.clone());
        site.envoy
            .push(&site.folder, |folder| folder.write(&pushed))
            .await
            .unwrap();
        let (probe, read) = (get("/healthz"), get("/v1/x").bearer(alice));
        let seen = site.ask(probe).await;
        match let_in {
            true => seen.allowed("policy.probe_allowed", "default"),
            false => seen.denied(401, "identity.missing", "inline"),
        };
        let seen = site.ask(read).await;
        match version {
            2 | 3 => seen.allowed("rule.allowed", "inline"),
            _ => seen.denied(403, "policy.no_rule", "default"),
        };
        println!("{version}: {selector}");
    }
}

/// All options of `trust.paths`.
async fn paths(site: &Site, issuers: &Issuers, alice: &str) {
    let rules = json!({"rules": [
        {"name": "items", "paths": ["/Items/{id}"], "effect": "allow"},
        {"name": "below", "paths": ["/below/{**}"], "effect": "allow"},
        {"name": "one", "paths": ["/one/{*}/end"], "effect": "allow"},
        {"name": "empty", "paths": ["/empty/**"], "effect": "allow"},
        {"name": "no-admin", "paths": ["/items/admin"], "effect": "deny"},
    ]});
    let all = json!({"caseInsensitive": true, "allow": ["encodedSlash", "pathParameters", "emptySegments"]});
    let plain = json!({"strict": false});
    let strict = json!({"strict": true});
    let cases: &[(&Value, &str, u16, &str)] = &[
        (&plain, "/Items/7", 200, "/Items/7"),
        (&plain, "/items/7", 403, ""),
        (&plain, "/Items/%37/./", 200, "/Items/7/"),
        (&plain, "/Items/a%2Fb", 400, ""),
        (&plain, "/Items/7;v=1", 400, ""),
        (&plain, "/empty//x", 400, ""),
        (&plain, "/below", 200, "/below"),
        (&plain, "/below/a/b", 200, "/below/a/b"),
        (&plain, "/one/x/end", 200, "/one/x/end"),
        (&plain, "/one/x/y/end", 403, ""),
        (&strict, "/Items/7", 200, "/Items/7"),
        (&strict, "/Items/%37", 400, ""),
        (&strict, "/Items/./7", 400, ""),
        (&all, "/iTEMS/7", 200, "/iTEMS/7"),
        (&all, "/Items/Admin", 403, ""),
        (&all, "/Items/a%2fb", 200, "/Items/a%2Fb"),
        (&all, "/Items/7;v=1", 200, "/Items/7;v=1"),
        (&all, "/empty//x", 200, "/empty//x"),
        (&all, "//empty/x", 400, ""),
    ];
    let mut version = 10;
    let mut pushed: Option<&Value> = None;
    for (options, path, status, forwarded) in cases {
        if pushed != Some(*options) {
            version += 1;
            let mut bundle = bundle(version, &issuers.regions(), &[policy("paths", rules.clone())]);
            bundle["trust"]["paths"] = (*options).clone();
            site.envoy
                .push(&site.folder, |folder| folder.write(&bundle))
                .await
                .unwrap();
            pushed = Some(*options);
        }
        let before = site.upstream.seen().len();
        let request = RawRequest::new("GET", path)
            .header("host", HOST)
            .header("authorization", format!("Bearer {alice}"));
        let answer = request.send(site.envoy.address(), None).await.unwrap();
        assert_eq!(answer.status, *status, "{options} {path}");
        let seen = site.upstream.seen().split_off(before);
        let paths: Vec<&str> = seen.iter().filter_map(|request| request["path"].as_str()).collect();
        assert_eq!(paths.join(" "), *forwarded, "{options} {path}");
    }
}

/// Where the filter is not there, the interlock refuses the handshake, too.
#[tokio::test]
async fn the_interlock_stands_in_the_chain_of_upgrades() {
    let issuers = Issuers::new();
    let sockets = Echo::start(true).await;
    let pushed = bundle(1, &issuers.regions(), &[shop()]);
    let site = Site::start_with("matching-interlock", Base::Gateway, &pushed, |config| {
        upgrading(config, sockets.address, sockets.address).without_filter("regionguard")
    })
    .await;
    let alice = token(&issuers.us, "alice", &["read:live"]);
    let before = site.envoy.access_log().entries().len();
    let (status, _) = ask_raw(&site, &handshake("/ws/live", "websocket", Some(&alice))).await;
    let entry = line(&site, before).await;
    assert_eq!((status, sockets.count()), (403, 0));
    assert!(entry.decision().is_none(), "{entry:?}");
}

/// `docs/istio-matching.md` says how patterns match in Istio: each row is tried with the matchers that istiod makes of them.
#[tokio::test]
async fn istio_matches_as_the_page_says() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/istio-matching.md")).unwrap();
    let mut rows = Vec::new();
    for section in ["Paths", "Hosts"] {
        let text = page.split_once(&format!("## {section}\n")).unwrap().1;
        for line in text
            .split("\n## ")
            .next()
            .unwrap()
            .lines()
            .filter(|line| line.starts_with("| `"))
        {
            let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            rows.push((
                section,
                cells[1].to_owned(),
                cells[2].to_owned(),
                cells[4] == "yes",
                cells[4] == "error",
            ));
        }
    }
    assert!(rows.len() >= 34);
    let text_match = |text: &str| match (text.strip_prefix('*'), text.strip_suffix('*')) {
        (Some(suffix), _) => json!({"suffix": suffix}),
        (None, Some(prefix)) => json!({"prefix": prefix}),
        (None, None) => json!({"exact": text}),
    };
    let route = |(number, (section, pattern, _, _, _)): (usize, &(&str, String, String, bool, bool))| {
        let mut route = json!({"headers": [{"name": "x-row", "string_match": {"exact": number.to_string()}}]});
        if *section == "Hosts" && pattern != "*" {
            let mut text = text_match(pattern);
            text["ignore_case"] = json!(true);
            let host = json!({"name": ":authority", "string_match": text});
            route["headers"].as_array_mut().unwrap().push(host);
            route["prefix"] = json!("/");
        } else if *section == "Hosts" {
            route["prefix"] = json!("/");
        } else if pattern.contains("{*") {
            let template = pattern.replace("{*}", "*").replace("{**}", "**");
            route["path_match_policy"] = json!({"name": "template", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
                "path_template": template}});
        } else {
            // `url_path`: what stands before the query.
            let quoted = pattern.trim_matches('*').replace('.', "\\.");
            let regex = match (pattern.starts_with('*'), pattern.ends_with('*')) {
                (true, _) => format!(".*{quoted}"),
                (_, true) => format!("{quoted}.*"),
                _ => quoted,
            };
            route["safe_regex"] = json!({"regex": regex});
        }
        json!({"match": route, "direct_response": {"status": 200}})
    };
    let mut routes: Vec<Value> = rows.iter().enumerate().filter(|(_, row)| !row.4).map(route).collect();
    routes.push(json!({"match": {"prefix": "/"}, "direct_response": {"status": 404}}));
    let site = Site::start_with(
        "matching-istio",
        Base::Sidecar,
        &bundle(1, &Issuers::new().regions(), &[shop()]),
        |config| {
            config.edit_http(|http| {
                http["http_filters"]
                    .as_array_mut()
                    .unwrap()
                    .retain(|filter| filter["name"] == "envoy.filters.http.router");
                http["route_config"]["virtual_hosts"][0]["routes"] = json!(routes);
            })
        },
    )
    .await;
    for (number, (section, pattern, asked, matches, is_error)) in rows.iter().enumerate() {
        if *is_error {
            continue;
        }
        let (path, host) = if *section == "Paths" {
            (asked.as_str(), HOST)
        } else {
            ("/", asked.as_str())
        };
        let request = RawRequest::new("GET", path)
            .header("host", host)
            .header("x-row", number.to_string());
        let status = request.send(site.envoy.address(), None).await.unwrap().status;
        assert_eq!(status == 200, *matches, "{section} {pattern} {asked}: {status}");
    }
}
