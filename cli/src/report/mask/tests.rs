use super::mask;

const SECRET: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";

/// The last line of `text`, masked.
#[track_caller]
fn last_line(text: &str) -> String {
    let start = text.rfind('\n').map_or(0, |end| end + 1);
    let masked = mask(text, start..text.len());
    assert_eq!(masked.len(), text.len() - start);
    masked
}

fn stars() -> String {
    "*".repeat(SECRET.len())
}

#[test]
fn secrets_are_not_shown_and_all_else_is() {
    let stars = stars();
    for (line, expected) in [
        (format!("  d: {SECRET} # key"), format!("  d: {stars} # key")),
        (
            format!("{{\"kty\": \"EC\", \"d\": \"{SECRET}\"}}"),
            format!("{{\"kty\": \"EC\", \"d\": \"{stars}\"}}"),
        ),
        (format!("  x: {SECRET}"), format!("  x: {SECRET}")),
        ("  d: short".to_owned(), "  d: short".to_owned()),
        (
            "t: Bearer eyJhbGciOiJub25lIn0.e30.c2ln".to_owned(),
            format!("t: Bearer {}.***.****", "*".repeat(19)),
        ),
        ("-----BEGIN é".to_owned(), "*".repeat(13)),
    ] {
        assert_eq!(last_line(&line), expected);
    }
}

#[test]
fn a_long_word_is_shown_only_where_it_is_for_everybody() {
    let hexadecimal = "0123456789abcdef".repeat(3);
    let padded = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLs+=";
    for secret in [SECRET, &hexadecimal, padded] {
        let hidden = secret.trim_end_matches('=').len();
        let stars = secret.replacen(&secret[..hidden], &"*".repeat(hidden), 1);
        for (before, after) in [
            ("", ""),
            ("secret: ", ""),
            ("- ", " # key"),
            ("\"password\":\"", "\""),
            ("{x: a, other: ", "}"),
            ("https://example.com:8443?key=", ""),
        ] {
            assert_eq!(
                last_line(&format!("{before}{secret}{after}")),
                format!("{before}{stars}{after}")
            );
        }
        for name in ["n", "x", "y", "x5c", "x5t#S256", "kid"] {
            for public in [
                format!("{name}: {secret}"),
                format!("{{\"d\": 1, \"{name}\": [\"{secret}\", \"{secret}\"]}}"),
                format!("{name}:\n  - {secret}\n  - {secret}"),
            ] {
                assert_eq!(last_line(&public), public.lines().last().unwrap_or_default());
            }
        }
    }
    for plain in [
        "paths: [/v1/profiles/of/everybody/who/lives-in/one-of-the-regions]",
        "cluster: outbound|8181||center.us-east-1.internal",
        "issuer: https://identity.global.com/realms/customers-of-us-east-1",
    ] {
        assert_eq!(last_line(plain), plain);
    }
}

#[test]
fn a_value_on_a_line_of_its_own_belongs_to_the_name_before() {
    let short = "c2hvcnQgc2VjcmV0";
    for before in [
        "d:\n  ",
        "\"d\":\n  \"",
        "kty: EC\nd: >-\n\n  # x: y\n  ",
        "d: !secret\n  ",
        "k:\n  - ",
    ] {
        let masked = last_line(&format!("{before}{short}"));
        assert!(masked.ends_with(&"*".repeat(short.len())), "{before:?}: {masked}");
    }
    assert_eq!(last_line(&format!("d:\nname: {short}")), format!("name: {short}"));
    assert_eq!(last_line(&format!("d: a\nx:\n  {short}")), format!("  {short}"));
}

#[test]
fn no_line_of_a_pem_block_is_shown() {
    for body in ["MIIEvQIBADANBg", "  MIIE vQIB", "\tProc-Type: 4,ENCRYPTED", "x: a"] {
        let inside = format!("key: |\n  -----BEGIN PRIVATE KEY-----\n  abc\n{body}");
        assert_eq!(last_line(&inside), "*".repeat(body.len()));
        let behind = format!("{inside}\n  -----END PRIVATE KEY-----\n{body}");
        assert_eq!(last_line(&behind), body);
    }
    let end = "AAAA-----END PRIVATE KEY-----";
    assert_eq!(
        last_line(&format!("-----BEGIN PRIVATE KEY-----\n{end}")),
        "*".repeat(end.len())
    );
    // Looked for in a piece of a text whose characters have several bytes.
    let long = format!("# {}\nname: a", "é".repeat(super::BEFORE));
    assert_eq!(last_line(&long), "name: a");
}
