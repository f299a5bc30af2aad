use std::fs;
use std::path::{Path, PathBuf};

use super::{Canonical, canonical};

/// What becomes of `text`: itself where it is in form.
#[track_caller]
fn formed(text: &str) -> String {
    match canonical("a.yaml", text) {
        Canonical::Same => text.to_owned(),
        Canonical::Changed(written) => written,
        Canonical::Left(why) => panic!("left: {why}"),
        Canonical::Wrong(problems) => panic!("{problems:?}"),
    }
}

#[test]
fn fields_get_their_order_and_comments_go_with_them() {
    let text = "\
# What this file is for.

spec:
    rules:
    -   effect: allow   # the last word
        # Who.
        permissions: { anyOf: [ \"read:a\" ,\"read:b\" ] }

        # Where: two of them.
        paths:
        - /a
        # the other one
        - \"/b\" # quoted

        # - /c
        name: read
    # Nobody else.
    - {effect: deny, paths: [/c], name: none}
    selector: {hosts: [a]}
metadata: {name: shop}
kind: ZeroTrustPolicy # the kind
apiVersion: security.io/v1
";
    let expected = "\
# What this file is for.

apiVersion: security.io/v1
kind: ZeroTrustPolicy # the kind
metadata: {name: shop}
spec:
  selector: {hosts: [a]}
  rules:
    - name: read

      # Where: two of them.
      paths:
        - /a
        # the other one
        - \"/b\" # quoted

        # - /c
      # Who.
      permissions: {anyOf: [\"read:a\", \"read:b\"]}
      effect: allow # the last word
    # Nobody else.
    - {name: none, paths: [/c], effect: deny}
";
    assert_eq!(formed(text), expected);
    assert_eq!(formed(expected), expected);
}

#[test]
fn scalars_stay_as_they_are_written() {
    let text = "\
metadata: {name: shop, version: 1}
documents:
- metadata: {name: 'a'}
  kind: Grants
  apiVersion: \"security.io/v1\"
  spec:
      grants:
      - reason: |-  # in full
            first line
              # no comment
            last line: with a colon

        approvedBy: >
            folded
            text
        expires: \"2026-11-25T15:00:00Z\"
        permissions: [
          a,   # one
          b,
          ]
        subject: {home: x, sub: \"a
          b\", issuer: z}
---
kind: PolicyTest
metadata: {name: x}
apiVersion: security.io/v1
spec: {at: x}
";
    let expected = "\
metadata: {name: shop, version: 1}
documents:
  - apiVersion: \"security.io/v1\"
    kind: Grants
    metadata: {name: 'a'}
    spec:
      grants:
        - subject: {home: x, sub: \"a
            b\", issuer: z}
          permissions: [
            a,   # one
            b,
            ]
          expires: \"2026-11-25T15:00:00Z\"
          approvedBy: >
            folded
            text
          reason: |- # in full
            first line
              # no comment
            last line: with a colon
---
apiVersion: security.io/v1
kind: PolicyTest
metadata: {name: x}
spec: {at: x}
";
    let found = formed(text);
    // The blank line behind a block scalar is no part of it.
    assert_eq!(found.replace("\n\n", "\n"), expected);
    assert_eq!(formed(&found), found);
}

#[test]
fn line_ends_and_spaces_at_the_end_are_one_thing_everywhere() {
    let text = "metadata: {name: shop, version: 1}   \r\n\r\n\r\n\r\nregion: a  # here  \r\n";
    assert_eq!(formed(text), "region: a # here\nmetadata: {name: shop, version: 1}\n");
}

#[test]
fn what_it_does_not_know_is_left_alone() {
    for text in [
        // No documents.
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        "a: 1\n",
        "resources: []\n",
        "",
        // A list in a list, an indentation of its own, a comment between dash and name.
        "metadata: {name: a}\ndocuments:\n  -\n    - a\n",
        "metadata: {name: a}\nregion: |2\n    b\n",
        "metadata: {name: a}\ndocuments:\n  - # here\n    kind: Region\n",
        "metadata:\n  {name: a} # here\n  # there\nregion:\n",
    ] {
        assert!(matches!(canonical("a.yaml", text), Canonical::Left(_)), "{text}");
    }
    for text in [
        "a: [\n",
        "metadata: {name: a}\n\tregion: b\n",
        "metadata: &a {name: a}\n",
        "a: 1\na: 2\n",
    ] {
        assert!(matches!(canonical("a.yaml", text), Canonical::Wrong(_)), "{text}");
    }
}

/// Whatever is done to documents, what comes out is in form, or they are left alone: `canonical` itself compares values and comments.
#[test]
fn what_was_formed_is_in_form() {
    let mut texts = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in [
        "examples/policies",
        "examples/two-regions/policies",
        "envoy-config/documents",
        "cli/tests/check/cases",
    ] {
        collect(&root.join(folder), &mut texts);
    }
    let mut random = 7_u64;
    let (mut formed, mut left) = (0, 0);
    for text in texts {
        for round in 0..12 {
            let text = if round == 0 {
                text.clone()
            } else {
                disturbed(&text, &mut random)
            };
            match canonical("a.yaml", &text) {
                Canonical::Changed(written) => {
                    formed += 1;
                    assert!(
                        matches!(canonical("a.yaml", &written), Canonical::Same),
                        "{text}\n\n{written}"
                    );
                }
                Canonical::Same => formed += 1,
                Canonical::Left(_) => left += 1,
                Canonical::Wrong(_) => {}
            }
        }
    }
    assert!(formed > 150 && formed > 5 * left, "{formed} formed, {left} left");
}

fn collect(folder: &Path, texts: &mut Vec<String>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, texts);
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            texts.extend(fs::read_to_string(&path));
        }
    }
}

/// Comments, blank lines and spaces where there were none.
fn disturbed(text: &str, random: &mut u64) -> String {
    let mut next = |below: u64| {
        *random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*random >> 33) % below
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for number in 0..3 {
        let at = usize::try_from(next(lines.len() as u64 + 1)).expect("a line");
        let indent = " ".repeat(usize::try_from(next(10)).expect("a number"));
        match next(4) {
            0 => lines.insert(at, format!("{indent}# {number}")),
            1 => lines.insert(at, indent),
            2 => lines
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|line| line.push_str(&format!("{indent} # {number}"))),
            _ => lines
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|line| line.push_str(&indent)),
        }
    }
    lines.join("\n")
}
