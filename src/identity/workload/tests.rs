//! Certificates of every shape: what their one name is, and that nothing else is one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{BYTES_MAX, Workloads, workload};

const WEB: &str = "spiffe://prod/ns/web/sa/web";
const API: &str = "spiffe://prod/ns/web/sa/api";

/// The tag of a URI among the names.
const URI: u8 = 0x86;

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let [.., high, low] = length.to_be_bytes();
    let mut element = match length {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    element.extend_from_slice(content);
    element
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

fn extension(oid: &[u8], critical: Option<u8>, value: &[u8]) -> Vec<u8> {
    let critical = critical.map(|value| element(0x01, &[value])).unwrap_or_default();
    sequence(&[element(0x06, oid), critical, element(0x04, value)])
}

/// The extension that names these.
fn names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let each: Vec<_> = names.iter().map(|(tag, name)| element(*tag, name)).collect();
    extension(&[0x55, 0x1d, 0x11], None, &sequence(&each))
}

fn uri(name: &str) -> Vec<u8> {
    names(&[(URI, name.as_bytes())])
}

/// A certificate around what stands behind the public key.
fn certificate_with(version: u8, behind: &[Vec<u8>]) -> Vec<u8> {
    let mut fields = vec![
        element(0xa0, &element(0x02, &[version])),
        element(0x02, &[7]),
        sequence(&[]),
        sequence(&[]),
        sequence(&[]),
        sequence(&[]),
        sequence(&[]),
    ];
    fields.extend_from_slice(behind);
    sequence(&[sequence(&fields), sequence(&[]), element(0x03, &[0, 1])])
}

fn certificate(extensions: &[Vec<u8>]) -> Vec<u8> {
    certificate_with(2, &[element(0xa3, &sequence(extensions))])
}

fn pem(der: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n").into_bytes()
}

/// What the host gives of a peer whose certificate has these URIs.
pub(crate) fn peer_certificate(uris: &[&str]) -> Vec<u8> {
    let each: Vec<_> = uris.iter().map(|uri| (URI, uri.as_bytes())).collect();
    pem(&certificate(&[names(&each)]))
}

fn found(der: &[u8]) -> Option<String> {
    workload(&pem(der)).map(|id| id.to_string())
}

#[test]
fn one_uri_names_the_workload() {
    let basic = extension(&[0x55, 0x1d, 0x13], Some(0xff), &sequence(&[]));
    let critical = extension(
        &[0x55, 0x1d, 0x11],
        Some(0xff),
        &sequence(&[element(URI, WEB.as_bytes())]),
    );
    let unique = element(0x81, &[0, 1]);
    let others: &[(u8, &[u8])] = &[
        (0x82, b"web.prod.example"),
        (0x81, b"web@prod.example"),
        (URI, WEB.as_bytes()),
        (0x87, &[127, 0, 0, 1]),
        (0xa0, b"anything at all"),
        (0x88, &[0x2a]),
    ];
    let extensions = element(0xa3, &sequence(&[uri(WEB)]));
    for der in [
        certificate(&[uri(WEB)]),
        certificate(&[basic.clone(), uri(WEB), basic]),
        certificate(&[critical]),
        certificate(&[names(others)]),
        certificate_with(2, &[unique.clone(), element(0x82, &[0, 1]), extensions.clone()]),
        certificate_with(2, &[unique, extensions]),
    ] {
        assert_eq!(found(&der).as_deref(), Some(WEB));
    }
}

/// What is remembered is what the certificate says, for the whole certificate, and no more of it than there is room for.
#[test]
fn known_certificates_say_the_same_again() {
    let mut workloads = Workloads::new(7);
    let all: Vec<_> = [
        peer_certificate(&[WEB]),
        peer_certificate(&[API]),
        peer_certificate(&[WEB, API]),
        Vec::new(),
        b"anything".to_vec(),
    ]
    .into();
    for _ in 0..3 {
        for certificate in &all {
            assert_eq!(workloads.find(certificate), workload(certificate));
        }
    }
    assert_eq!(workloads.known.len(), all.len());
    for number in 0..2_000 {
        let uri = format!("spiffe://prod/{number}");
        let certificate = peer_certificate(&[&uri]);
        assert_eq!(workloads.find(&certificate).expect("a workload").as_str(), uri);
        assert!(workloads.known.cost() <= BYTES_MAX);
    }
    assert!((100..2_000).contains(&workloads.known.len()));
    assert_eq!(workloads.find(&all[0]), workload(&all[0]));
}

#[test]
fn zero_or_several_name_none() {
    for (what, der) in [
        ("no extensions", certificate_with(2, &[])),
        ("no names", certificate(&[names(&[])])),
        (
            "a DNS name that looks like one",
            certificate(&[names(&[(0x82, WEB.as_bytes())])]),
        ),
        (
            "two",
            certificate(&[names(&[(URI, WEB.as_bytes()), (URI, API.as_bytes())])]),
        ),
        (
            "the same twice",
            certificate(&[names(&[(URI, WEB.as_bytes()), (URI, WEB.as_bytes())])]),
        ),
        (
            "one and another URI",
            certificate(&[names(&[(URI, WEB.as_bytes()), (URI, b"https://prod/web")])]),
        ),
        (
            "another URI and one",
            certificate(&[names(&[(URI, b"https://prod/web"), (URI, WEB.as_bytes())])]),
        ),
        (
            "an empty URI and one",
            certificate(&[names(&[(URI, b""), (URI, WEB.as_bytes())])]),
        ),
        ("two extensions of names", certificate(&[uri(WEB), uri(API)])),
        ("the same extension twice", certificate(&[uri(WEB), uri(WEB)])),
        (
            "an extension of names without a URI and one with",
            certificate(&[names(&[(0x82, b"web")]), uri(WEB)]),
        ),
        ("another kind of URI", certificate(&[uri("https://prod/ns/web")])),
        ("a trust domain", certificate(&[uri("spiffe://prod")])),
        (
            "an embedded NUL",
            certificate(&[uri("spiffe://prod/ns/web/sa/web\0.evil")]),
        ),
        ("a NUL at the end", certificate(&[uri("spiffe://prod/ns/web/sa/web\0")])),
        (
            "not ASCII",
            certificate(&[names(&[(URI, b"spiffe://prod/w\xc3\xa9b")])]),
        ),
        ("a line break", certificate(&[uri("spiffe://prod/ns/web\n")])),
    ] {
        assert_eq!(found(&der), None, "{what}");
    }
}

#[test]
fn what_is_not_der_of_a_certificate_names_none() {
    let good = certificate(&[uri(WEB)]);
    assert!(found(&good).is_some());
    let san = |oid: &[u8], critical, value: &[u8]| certificate(&[extension(oid, critical, value)]);
    let oid = [0x55, 0x1d, 0x11];
    let name = element(URI, WEB.as_bytes());
    let list = sequence(std::slice::from_ref(&name));
    let with_length = |length: &[u8], content: &[u8]| [&[0x30], length, content].concat();
    let length = u8::try_from(name.len()).expect("short");
    for (what, der) in [
        ("nothing", vec![]),
        ("something behind the certificate", [good.clone(), vec![0]].concat()),
        ("another behind it", [good.clone(), good.clone()].concat()),
        (
            "version 1",
            certificate_with(0, &[element(0xa3, &sequence(&[uri(WEB)]))]),
        ),
        (
            "version 2",
            certificate_with(1, &[element(0xa3, &sequence(&[uri(WEB)]))]),
        ),
        (
            "extensions twice",
            certificate_with(
                2,
                &[element(0xa3, &sequence(&[])), element(0xa3, &sequence(&[uri(WEB)]))],
            ),
        ),
        (
            "something behind the extensions",
            certificate_with(2, &[element(0xa3, &sequence(&[uri(WEB)])), element(0x04, &[])]),
        ),
        (
            "unique ids in the wrong order",
            certificate_with(
                2,
                &[
                    element(0x82, &[0]),
                    element(0x81, &[0]),
                    element(0xa3, &sequence(&[uri(WEB)])),
                ],
            ),
        ),
        ("false, written", san(&oid, Some(0), &list)),
        ("true, not all ones", san(&oid, Some(1), &list)),
        (
            "something behind the value",
            certificate(&[sequence(&[
                element(0x06, &oid),
                element(0x04, &list),
                element(0x05, &[]),
            ])]),
        ),
        (
            "something behind the names",
            san(&oid, None, &[list.clone(), vec![5, 0]].concat()),
        ),
        ("a SET of names", san(&oid, None, &element(0x31, &name))),
        (
            "a URI in pieces",
            san(&oid, None, &sequence(&[element(0xa6, &element(0x16, WEB.as_bytes()))])),
        ),
        (
            "a name of no known kind",
            san(&oid, None, &sequence(&[name.clone(), element(0x89, b"x")])),
        ),
        (
            "a tag of two bytes",
            san(&oid, None, &sequence(&[name.clone(), vec![0x9f, 0x26, 0]])),
        ),
        (
            "an indefinite length",
            san(&oid, None, &[with_length(&[0x80], &name), vec![0, 0]].concat()),
        ),
        (
            "a length that could be shorter",
            san(&oid, None, &with_length(&[0x81, length], &name)),
        ),
        (
            "a length that could be two bytes shorter",
            san(&oid, None, &with_length(&[0x82, 0, length], &name)),
        ),
        (
            "a length of four bytes",
            san(&oid, None, &with_length(&[0x84, 0, 0, 0, length], &name)),
        ),
        (
            "a length beyond all",
            san(&oid, None, &with_length(&[0x84, 0xff, 0xff, 0xff, 0xff], &name)),
        ),
        ("a length of 127 bytes", san(&oid, None, &with_length(&[0xff], &name))),
        (
            "a length beyond its parent",
            san(&oid, None, &with_length(&[length + 1], &name)),
        ),
    ] {
        assert_eq!(found(&der), None, "{what}");
    }
}

/// All that a byte of a certificate can be cut or changed to: no panic, and never another workload than the one that is written there.
#[test]
fn every_cut_names_none_and_every_changed_byte_names_no_other() {
    let good = certificate(&[names(&[(0x82, b"web"), (URI, WEB.as_bytes())])]);
    for end in 0..good.len() {
        assert_eq!(found(&good[..end]), None, "{end}");
    }
    let at = good
        .windows(WEB.len())
        .position(|window| window == WEB.as_bytes())
        .expect("the name");
    for place in 0..good.len() {
        let inside = (at..at + WEB.len()).contains(&place);
        for byte in 0..=u8::MAX {
            let mut changed = good.clone();
            changed[place] = byte;
            if let Some(id) = found(&changed) {
                assert!(inside || id == WEB, "{place} {byte}: {id}");
            }
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
mod any_bytes {
    use proptest::prelude::*;

    use super::super::{certificate::only_uri, workload};
    use super::{URI, WEB, certificate, element, names, pem, sequence, uri};

    /// Elements in elements, with lengths that may lie.
    fn nested() -> impl Strategy<Value = Vec<u8>> {
        let tags = prop::sample::select(vec![0x01, 0x02, 0x03, 0x04, 0x06, 0x30, 0x86, 0xa0, 0xa3, 0x1f, 0x80]);
        let leaf =
            (tags.clone(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(tag, content)| element(tag, &content));
        leaf.prop_recursive(6, 60, 8, move |inner| {
            (
                tags.clone(),
                prop::collection::vec(inner, 0..8),
                any::<Option<(u8, u8)>>(),
            )
                .prop_map(|(tag, parts, lie)| {
                    let mut bytes = element(tag, &parts.concat());
                    if let Some((at, byte)) = lie
                        && let Some(place) = bytes.get_mut(usize::from(at % 6))
                    {
                        *place = byte;
                    }
                    bytes
                })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_panics(text in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = workload(&text);
        }

        #[test]
        fn no_der_panics_and_none_is_read_outside(der in prop_oneof![
            nested(),
            nested().prop_map(|extensions| certificate(&[extensions])),
            nested().prop_map(|list| certificate(&[names(&[(URI, &list)]), list])),
            prop::collection::vec(any::<u8>(), 0..300),
        ]) {
            if let Some(uri) = only_uri(&der) {
                prop_assert!(der.as_ptr_range().contains(&uri.as_ptr()) || uri.is_empty());
                prop_assert_eq!(der.windows(2).filter(|pair| **pair == [0x55, 0x1d]).count(), 1, "one extension of names");
            }
        }

        /// Several changes at once: whatever is found has the form of an id.
        #[test]
        fn no_change_panics(edits in prop::collection::vec((0..200_usize, any::<u8>(), 0..3_u8), 1..8)) {
            let mut der = certificate(&[uri(WEB), sequence(&[])]);
            for (at, byte, kind) in edits {
                let at = at % der.len().max(1);
                match kind {
                    0 => der[at] = byte,
                    1 => der.insert(at, byte),
                    _ => drop(der.drain(at..(at + usize::from(byte % 9)).min(der.len()))),
                }
                if der.is_empty() {
                    break;
                }
            }
            if let Some(id) = workload(&pem(&der)) {
                prop_assert!(id.as_str().starts_with("spiffe://"));
            }
        }
    }
}

/// Certificates as a library makes them.
#[cfg(not(target_arch = "wasm32"))]
mod real {
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType};

    use super::super::workload;
    use super::{API, URI, WEB, element, found, sequence};

    fn san(uri: &str) -> SanType {
        SanType::URI(Ia5String::try_from(uri).expect("ASCII"))
    }

    fn made(edit: impl FnOnce(&mut CertificateParams)) -> rcgen::Certificate {
        let mut params = CertificateParams::new(vec!["web.prod.example".to_owned()]).expect("a name");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        edit(&mut params);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate")
    }

    #[test]
    fn one_uri_among_names_of_every_kind() {
        let certificate = made(|params| {
            params.subject_alt_names.push(san(WEB));
            params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
            let mail = Ia5String::try_from("a@b").expect("ASCII");
            params.subject_alt_names.push(SanType::Rfc822Name(mail));
        });
        assert_eq!(found(certificate.der()).as_deref(), Some(WEB));
        let text = certificate.pem();
        assert_eq!(workload(text.as_bytes()).expect("a workload").as_str(), WEB);
        let mut encoded = text;
        for (plain, code) in [("\n", "%0A"), (" ", "%20"), ("+", "%2B"), ("/", "%2F"), ("=", "%3D")] {
            encoded = encoded.replace(plain, code);
        }
        assert_eq!(workload(encoded.as_bytes()).expect("a workload").as_str(), WEB);
    }

    #[test]
    fn none_and_several() {
        assert_eq!(found(made(|_| {}).der()), None);
        assert_eq!(found(made(|params| params.subject_alt_names.clear()).der()), None);
        let two = made(|params| params.subject_alt_names.extend([san(WEB), san(API)]));
        assert_eq!(found(two.der()), None);
    }

    /// A critical list of names, as certificates with an empty subject have it; and a second list beside the first.
    #[test]
    fn a_list_of_our_own() {
        let own = |name: &str, critical| {
            let list = sequence(&[element(URI, name.as_bytes())]);
            let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 17], list);
            extension.set_criticality(critical);
            extension
        };
        for critical in [true, false] {
            let alone = made(|params| {
                params.subject_alt_names.clear();
                params.custom_extensions = vec![own(WEB, critical)];
            });
            assert_eq!(found(alone.der()).as_deref(), Some(WEB));
            let beside = made(|params| params.custom_extensions = vec![own(WEB, critical)]);
            assert_eq!(found(beside.der()), None, "the DNS name is in a list as well");
        }
    }
}
