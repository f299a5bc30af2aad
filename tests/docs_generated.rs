//! The documentation says what the code does: its tables are generated from the code, its examples load, and what it names is there.
//!
//! `REGIONGUARD_WRITE_TABLES=1` writes the tables; without it, a table that differs from the code is an error.
#![cfg(not(target_arch = "wasm32"))]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use regionguard::audit::Counter;
use regionguard::bundle::{Encoding, Severity, compile, limits, policy_test};
use regionguard::center::RESPONSE_MAX;
use regionguard::decision::{Answer, Asked};
use regionguard::identity::{MAX_HEADER_BYTES, MAX_KID_BYTES, MAX_TOKEN_BYTES};
use regionguard::reason::{Reason, Verdict};
use serde_json::{Value, json};

#[test]
fn tables_are_what_the_code_says() {
    check_table("docs/reasons.md", &reasons());
    check_table("docs/metrics.md", &metrics());
    check_table("docs/limits.md", &limit_table());
}

#[test]
fn every_example_loads() {
    let mut loaded = 0_usize;
    for page in pages() {
        for block in blocks(&read(&page)) {
            let at = format!("{}, line {}", page.display(), block.line);
            let bundle = match block.title.as_str() {
                "bundle" => yaml(&block.text, &at),
                "document" => framed(vec![yaml(&block.text, &at)]),
                "documents" => framed(yaml(&block.text, &at).as_array().expect("a list").clone()),
                "rule" => framed(vec![policy_of(&yaml(&block.text, &at))]),
                "refused" => {
                    check_refused(&framed(vec![policy_of(&yaml(&block.text, &at))]), &block.next, &at);
                    continue;
                }
                "policy-test" => {
                    let test = yaml(&block.text, &at).to_string();
                    if let Err(errors) = policy_test::read(test.as_bytes(), None) {
                        panic!("{at}: the example is no PolicyTest: {errors:#?}");
                    }
                    loaded = loaded.saturating_add(1);
                    continue;
                }
                _ => continue,
            };
            if let Err(errors) = compile(bundle.to_string().as_bytes(), Encoding::Json) {
                panic!("{at}: the example does not load: {errors:#?}");
            }
            loaded = loaded.saturating_add(1);
        }
    }
    assert!(loaded >= 9, "only {loaded} examples were found");
}

#[test]
fn the_shipped_bundle_loads_without_a_warning() {
    let file = yaml(&read(Path::new("envoy-config/ecds/regionguard.yaml")), "the ECDS file");
    let bundle = file
        .pointer("/resources/0/typed_config/config/configuration/value")
        .expect("a bundle");
    let generation = compile(bundle.to_string().as_bytes(), Encoding::Json).expect("loads");
    assert!(generation.warnings.is_empty(), "{:?}", generation.warnings);
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let text = read(&page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => page.clone(),
                _ => page.parent().unwrap_or(Path::new("")).join(file),
            };
            assert!(
                root().join(&path).exists(),
                "{}: `{target}` leads nowhere",
                page.display()
            );
            assert!(
                anchor.is_empty() || headings(&read(&path)).iter().any(|heading| heading == anchor),
                "{}: there is no heading for `{target}`",
                page.display()
            );
        }
    }
}

#[test]
fn every_field_of_the_documents_is_described() {
    let page = read(Path::new("docs/documents.md"));
    let (supported, later) = page.split_once("## Not supported yet").expect("the section");
    for file in [
        "root",
        "trust",
        "region",
        "keys",
        "claims",
        "policy",
        "authentication",
        "rule",
        "effect",
        "candidate",
        "overriding",
        "forward",
        "revocation",
        "revocations",
        "about",
        "openings",
    ] {
        let source = read(&PathBuf::from(format!("src/bundle/{file}.rs")));
        for name in listed(&source, "fields: &[") {
            assert!(
                supported.contains(&name),
                "src/bundle/{file}.rs: `{name}` is not described"
            );
        }
        for name in listed(&source, "later: &[")
            .into_iter()
            .chain(listed(&source, "LATER_KINDS: &[&str] = &["))
        {
            assert!(
                later.contains(&format!("`{name}`")),
                "src/bundle/{file}.rs: `{name}` is not listed as not supported yet"
            );
        }
    }
}

#[test]
fn every_field_of_a_policy_test_is_described() {
    let page = read(Path::new("docs/testing-policies.md"));
    for file in [
        "policy_test",
        "policy_test/principal",
        "policy_test/request",
        "policy_test/expectation",
    ] {
        let source = read(&PathBuf::from(format!("src/bundle/{file}.rs")));
        let fields = listed(&source, "fields: &[");
        assert!(!fields.is_empty(), "src/bundle/{file}.rs has no fields");
        for name in fields {
            assert!(
                page.contains(&format!("| `{name}`")) || page.contains(&format!(", `{name}`")),
                "src/bundle/{file}.rs: `{name}` is not described"
            );
        }
    }
}

/// `Shown by` begins a paragraph that names files or folders and, behind each, tests that are in it.
#[test]
fn tests_that_are_named_are_there() {
    let page = read(Path::new("docs/attacks.md"));
    let mut named = 0_usize;
    let mut missing = Vec::new();
    for paragraph in page.split("\n\n").filter(|text| text.starts_with("Shown by")) {
        let mut source = None;
        for word in paragraph.split('`').skip(1).step_by(2) {
            if word.contains('/') {
                source = Some((word, sources(Path::new(word))));
                continue;
            }
            let (file, text) = source.as_ref().expect("a file before its tests");
            if !text.contains(&format!("fn {word}(")) {
                missing.push(format!("{file} has no test `{word}`"));
            }
            named = named.saturating_add(1);
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(named > 30, "only {named} tests are named");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text of a file, or of all sources below a folder.
fn sources(path: &Path) -> String {
    if !root().join(path).is_dir() {
        return read(path);
    }
    let entries = fs::read_dir(root().join(path)).expect("a folder");
    let below = entries.map(|entry| path.join(entry.expect("an entry").file_name()));
    below
        .filter(|path| root().join(path).is_dir() || path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| sources(&path))
        .collect()
}

/// The pages that people read, relative to the checkout.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
    ]
    .map(PathBuf::from)
    .into();
    for folder in ["docs", "docs/idp"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder of pages") {
            let path = Path::new(folder).join(entry.expect("an entry").file_name());
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

fn check_table(path: &str, table: &str) {
    let path = root().join(path);
    if std::env::var_os("REGIONGUARD_WRITE_TABLES").is_some_and(|value| value == "1") {
        fs::write(&path, table).expect("written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == table,
        "{} is not what the code says: run `REGIONGUARD_WRITE_TABLES=1 cargo test --test docs_generated`",
        path.display()
    );
}

/// What every generated page begins with.
fn begin(title: &str, source: &str) -> String {
    format!(
        "<!-- Generated from {source} by tests/docs_generated.rs; do not edit. -->\n\n# {title}\n\n[The book](README.md)\n\n"
    )
}

fn reasons() -> String {
    let mut page = begin("Reason codes", "src/reason.rs");
    page.push_str(
        "Every decision has one reason. Its code stands in the [decision line](decisions.md#the-decision-line), in the response code details \
         (`regionguard.CODE`) and in the [metrics](metrics.md). A caller sees the status and the public code only.\n\n\
         A deny rule may replace the status (`response`, see [documents](documents.md#rules)); everything else here is fixed. \
         gRPC requests get the gRPC status instead of a body.\n\n",
    );
    page.push_str("## Requests that go on\n\n| code | what it means |\n|---|---|\n");
    for row in rows(Verdict::Allow) {
        let _ = writeln!(page, "| `{}` | {} |", row.code(), cell(row.row().advice));
    }
    page.push_str("\n## Requests that are answered here\n\n| code | status | gRPC | public code | what it means, and what to do |\n|---|---|---|---|---|\n");
    for reason in rows(Verdict::Deny) {
        let asked = Asked {
            grpc: true,
            ..Asked::default()
        };
        let grpc = Answer::new(reason, None, None, &asked).grpc_status.expect("a status");
        let row = reason.row();
        let _ = writeln!(
            page,
            "| `{}` | {} | {grpc} | `{}` | {} |",
            row.code,
            row.status,
            row.public,
            cell(row.advice)
        );
    }
    page
}

fn rows(verdict: Verdict) -> impl Iterator<Item = Reason> {
    Reason::ALL
        .iter()
        .copied()
        .filter(move |reason| reason.verdict() == verdict)
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn metrics() -> String {
    let filter = read(Path::new("filters/http-authz/src/metrics.rs"));
    for naming in [
        "const PREFIX: &str = \"regionguard\";",
        "\"{PREFIX}.decision.{}.{}\", reason.verdict().as_str(), reason.code()",
        "\"{PREFIX}.{}\", counter.name()",
        "\"{PREFIX}.callout.time_ms\"",
        "\"bundle.compile_time_us\"",
        "\"memory_bytes\"",
    ] {
        assert!(
            filter.contains(naming),
            "the filter names its metrics in another way now: `{naming}`"
        );
    }
    for bootstrap in ["envoy-config/sidecar.yaml", "envoy-config/gateway.yaml"] {
        let tag = r"^wasmcustom\.regionguard\.[a-z_]+(\.([a-z]+))$";
        assert!(
            read(Path::new(bootstrap)).contains(tag),
            "{bootstrap} makes other labels now"
        );
    }
    let mut page = begin("Metrics", "src/audit/tally.rs and filters/http-authz/src/metrics.rs");
    page.push_str(
        "Counters are summed in each worker's VM and handed to Envoy once a second. Envoy's admin port shows them with the prefix `wasmcustom.` \
         (`/stats`), and without it in `/stats/prometheus`, where dots become underscores. A counter appears when it first counts. Names are fixed: \
         nothing that a request carries can name a metric.\n\n\
         | name | Prometheus | what it counts |\n|---|---|---|\n\
         | `regionguard.decision.VERDICT.CODE` | `regionguard_decision{verdict=\"VERDICT\",reason=\"CODE\"}` | decisions, by verdict (`allow`, `deny`) and \
         [reason code](reasons.md). The labels of this and the following need the `stats_tags` of the shipped bootstraps |\n",
    );
    for counter in Counter::ALL {
        let name = format!("regionguard.{}", counter.name());
        let (group, result) = name.rsplit_once('.').expect("a group and a result");
        let prometheus = format!("{}{{result=\"{result}\"}}", group.replace('.', "_"));
        let _ = writeln!(page, "| `{name}` | `{prometheus}` | {} |", cell(counter.about()));
    }
    page.push_str(
        "| `regionguard.callout.time_ms` | `regionguard_callout_time_ms` | histogram: milliseconds from asking the center to its answer, or to the host's \
         word that there was none |\n\
         | `regionguard.open_streams` | `regionguard_open_streams` | gauge: streams that are open and judged again, in all workers; a VM that traps leaves its own in it |\n\
         | `regionguard.bundle.compile_time_us` | `regionguard_bundle_compile_time_us` | gauge: microseconds in which a VM compiled the bundle that was pushed last |\n\
         | `regionguard.memory_bytes` | `regionguard_memory_bytes` | gauge: bytes of memory of the VM that compiled last. A VM's memory never becomes smaller |\n\n\
         `bundle.*` counts configurations of single VMs, not pushes: Envoy hands each push to a VM that tries it, to the main thread and to every worker.\n\n\
         Beside these, Envoy's own counters tell of the filter:\n\n\
         | name | what it tells |\n|---|---|\n\
         | `extension_config_discovery.http_filter.regionguard.update_rejected`, `….config_fail` | a pushed configuration was refused |\n\
         | `extension_config_discovery.http_filter.regionguard.version_text` | `version_info` of the configuration that Envoy took last |\n\
         | `http.PREFIX.rbac.regionguard_interlock.denied` | requests that the interlock refused: the filter did not see them. It should stay 0 |\n\
         | `wasm.regionguard.vm_reload_success`, `….vm_reload_failure` | the module trapped and was loaded anew, or could not be |\n",
    );
    page
}

fn limit_table() -> String {
    let source = read(Path::new("src/bundle/limits.rs"));
    let mut page = begin("Limits of a bundle", "src/bundle/limits.rs");
    page.push_str("A bundle beyond one of these is refused as a whole.\n\n| limit | at most |\n|---|---|\n");
    let mut about = String::new();
    let mut count = 0_usize;
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("/// ") {
            about = format!("{about} {text}").trim().to_owned();
        } else if let Some(value) = line
            .strip_prefix("pub const ")
            .and_then(|rest| rest.split(" = ").nth(1))
        {
            let value = value.trim_end_matches(';');
            let _ = writeln!(page, "| {} | {} |", about.trim_end_matches('.'), number(value));
            about.clear();
            count = count.saturating_add(1);
        }
    }
    assert_eq!(
        number("16 << 20"),
        format!("{} MiB", limits::BYTES >> 20),
        "the limits are read from the source's text"
    );
    assert!(count > 20, "only {count} limits were found");
    let _ = writeln!(
        page,
        "\nOther limits: a token has at most {} KiB, its header {} KiB, a `kid` {MAX_KID_BYTES} bytes; a center's answer {} KiB; a request path 8,192 bytes \
         and 256 segments, a path template 1,024 bytes and 64 segments; a request 1,024 header lines and 1 MiB of headers.",
        MAX_TOKEN_BYTES >> 10,
        MAX_HEADER_BYTES >> 10,
        RESPONSE_MAX >> 10,
    );
    page.push_str(
        "\nA filter keeps so few diagnostics because each worker logs them. `regionguard check` judges by the same limits and tells more of what is wrong: \
         [how much of it](command.md#how-much-it-reads-and-says).\n",
    );
    page
}

/// A constant's expression as people write it.
fn number(expression: &str) -> String {
    match expression.split_once(" << ") {
        Some((factor, "20")) => format!("{factor} MiB"),
        Some((factor, "10")) => format!("{factor} KiB"),
        Some(("1", power)) => format!("2^{power}"),
        Some(_) => panic!("`{expression}` is written in no way that this knows"),
        None => expression.replace('_', ","),
    }
}

/// A fenced block of a page.
struct Block {
    line: usize,
    /// What stands behind `title=` after the language.
    title: String,
    text: String,
    /// The text of the block that follows.
    next: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(info), false) => {
                open = true;
                let title = info.split_once("title=").map_or("", |(_, title)| title.trim());
                blocks.push(Block {
                    line: index.saturating_add(1),
                    title: title.to_owned(),
                    text: String::new(),
                    next: String::new(),
                });
            }
            (Some(_), true) => open = false,
            (None, true) => {
                if let Some(block) = blocks.last_mut() {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
            (None, false) => {}
        }
    }
    let texts: Vec<String> = blocks.iter().skip(1).map(|block| block.text.clone()).collect();
    for (block, next) in blocks.iter_mut().zip(texts) {
        block.next = next;
    }
    blocks
}

fn yaml(text: &str, at: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{at}: not YAML: {error}"))
}

/// A policy of the rules in `rules`, or of the one rule that it is.
fn policy_of(rules: &Value) -> Value {
    let rules = match rules {
        Value::Array(_) => rules.clone(),
        one => json!([one]),
    };
    json!({
        "apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "shop"},
        "spec": {"rules": rules}
    })
}

/// A bundle around `documents`, with the two Regions of all examples unless they are among them.
fn framed(mut documents: Vec<Value>) -> Value {
    let keys = [
        json!({"kty": "EC", "crv": "P-256", "kid": "one", "x": "-O680vIC77eLv_olhevWrE11gYJ82JSJDSf8mWRITqk", "y": "6HLJAJWUyUJclL9XbllFezF1EsV56ckFMnM7ehrMEiw"}),
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "h2lx9FcXZGXxm66dZaMjc5TMMTVAXGJqBrsAVEmftOc"}),
    ];
    for (name, key) in ["us-east-1", "eu-west-1"].into_iter().zip(keys) {
        let is_there = |document: &Value| {
            document.pointer("/kind") == Some(&json!("Region"))
                && document.pointer("/metadata/name") == Some(&json!(name))
        };
        if !documents.iter().any(is_there) {
            documents.push(json!({
                "apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": name},
                "spec": {
                    "issuer": "identity.global.com",
                    "audiences": [format!("api.{name}.com")],
                    "trustDomains": [format!("prod.{name}.example")],
                    "keys": {"jwks": {"keys": [key]}},
                    "center": {"cluster": format!("center-{name}")}
                }
            }));
        }
    }
    json!({
        "region": "us-east-1", "metadata": {"name": "shop", "version": 1}, "trust": {"peerVerification": "required"},
        "documents": documents,
    })
}

/// The block behind a bundle that is refused shows what is said about it.
fn check_refused(bundle: &Value, shown: &str, at: &str) {
    let found = compile(bundle.to_string().as_bytes(), Encoding::Json).expect_err("the example is refused");
    let errors: Vec<String> = found
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    let shown: Vec<&str> = shown.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors, shown, "{at}");
}

/// The anchors of a page's headings, as they are made where such pages are shown.
fn headings(page: &str) -> Vec<String> {
    let anchor = |heading: &str| -> String {
        let kept = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
            .collect::<String>();
        kept.replace(' ', "-")
    };
    page.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

/// The quoted words of each list that begins with `opening`.
fn listed(source: &str, opening: &str) -> Vec<String> {
    let lists = source.split(opening).skip(1).filter_map(|rest| rest.split(']').next());
    lists
        .flat_map(|list| list.split('"').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}
