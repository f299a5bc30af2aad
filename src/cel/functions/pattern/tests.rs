use super::{MAX_DEPTH, MAX_PATTERN, MAX_STEPS, Pattern};

const FUEL: u64 = 10_000_000;

fn matches(pattern: &str, text: &str) -> bool {
    let pattern = Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error} at {}", error.at()));
    pattern.is_match(text, &mut { FUEL }).expect("enough fuel")
}

fn refused(pattern: &str) -> (usize, String) {
    let error = Pattern::new(pattern).expect_err(pattern);
    (error.at(), error.to_string())
}

#[test]
fn patterns_match_what_they_say() {
    for (pattern, yes, no) in [
        ("", &["", "a"][..], &[][..]),
        ("ubb", &["hubba"], &["hub", ""]),
        ("^/v1/", &["/v1/x"], &["x/v1/", "/v2/"]),
        ("png$", &["a.png"], &["a.png?", "png\n"]),
        (r"^\d{3}-\d{4}$", &["555-1234"], &["5555-1234", "555-12345", "٥٥٥-1234"]),
        ("gr(a|e)y", &["grey", "gray"], &["groy"]),
        ("ba(na)*$", &["ba", "banana"], &["banan"]),
        ("a+ñ+a+", &["mañana"], &["manana"]),
        ("(a|😀){2}", &["🐱😀😀"], &["a🐱😀"]),
        ("a.c", &["abc", "aéc"], &["ac", "a\nc"]),
        ("(?s)a.c", &["a\nc"], &[]),
        ("(?s:a.)c.d", &["a\ncxd"], &["a\nc\nd"]),
        ("(?m)^b$", &["a\nb\nc", "b"], &["ab"]),
        (r"(?m)\Ab\z", &["b"], &["a\nb"]),
        ("^b$", &["b"], &["a\nb\nc"]),
        ("(?i)get", &["GET", "gEt"], &["ge"]),
        ("(?i:g)et", &["Get"], &["GET"]),
        ("(?i)[a-f]+[^x]$", &["ABY"], &["ABX", "gy"]),
        ("(?-i)a", &["a"], &["A"]),
        ("(?i)a(?-i:b)c", &["AbC"], &["ABC"]),
        ("a|b|", &["", "x"], &[]),
        ("^(a|b|cd)$", &["a", "b", "cd"], &["c", "d", "ab"]),
        ("^a{2,3}$", &["aa", "aaa"], &["a", "aaaa"]),
        ("^a{2,}$", &["aa", "aaaaaa"], &["a"]),
        ("^a{0}b{0,0}$", &[""], &["a", "b"]),
        ("^(a?){3}$", &["", "aaa"], &["aaaa"]),
        ("^(a*)*$", &["", "aaaa"], &["b"]),
        ("^(a*)+b$", &["b", "aab"], &["a"]),
        ("^(|a)+$", &["", "aa"], &["b"]),
        ("^()*$", &[""], &["a"]),
        ("^a*?$", &["", "aa"], &["b"]),
        ("^a{,2}$", &["a{,2}"], &["aa"]),
        ("^a{$", &["a{"], &["a"]),
        ("^a{x}$", &["a{x}"], &["a"]),
        (r"^[]a]+$", &["]a"], &["b"]),
        (r"^[^]a]+$", &["bc"], &["]"]),
        (r"^[a-]+$", &["a-"], &["b"]),
        (r"^[-a]+$", &["a-"], &["b"]),
        (r"^[\]\-\\]+$", &[r"]-\"], &["["]),
        (r"^[a-c\d_]+$", &["ab_9"], &["d"]),
        (r"^[[:alpha:][:digit:]]+$", &["aZ9"], &["_", "é"]),
        (r"^[[:^alpha:]]+$", &["19_é"], &["a"]),
        (r"^[^\d]+$", &["ab"], &["1"]),
        // A class is negated after its letters have got their other case.
        ("^(?i)[[:^lower:]]+$", &["1", "é", "_"], &["a", "A", "abc", "ABC"]),
        ("^(?i)[[:^upper:]]+$", &["1", "é"], &["a", "A"]),
        ("^(?i)[[:^alpha:]b]+$", &["1bB"], &["a", "A"]),
        ("^(?i)[^[:lower:]]+$", &["1", "é"], &["a", "A"]),
        ("^(?i)[^[:^lower:]]+$", &["aA"], &["1", "é"]),
        ("^(?i)[[:lower:]]+$", &["aA"], &["1", "é"]),
        ("^(?i)[[:^xdigit:]]+$", &["gG-"], &["a", "F", "0"]),
        (r"^(?i)\D\W\S$", &["a-B"], &["1-b", "aAb", "a- "]),
        (r"^(?i)[\W]+$", &["-é"], &["a", "A", "_", "0"]),
        (r"^(?i)[^\W]+$", &["aA_0"], &["-", "é"]),
        (r"^(?i)[\D]+$", &["aA"], &["0"]),
        (r"^(?i)[\S]+$", &["aA"], &[" "]),
        (r"^\D\W\S$", &["a-b"], &["1-b", "aab", "a- "]),
        (r"^\s$", &[" ", "\t", "\n", "\r", "\x0c"], &["\x0b", "\u{a0}"]),
        (r"^\w+$", &["aZ_9"], &["é", "-"]),
        (r"\bfoo\b", &["a foo b", "foo"], &["afoo", "foob"]),
        (r"\Bfoo", &["afoo"], &["foo"]),
        (r"^\x41\x{1F600}\t\.\_$", &["A😀\t._"], &[]),
        (r"^[\x{80}-\x{10FFFF}]$", &["é", "😀", "\u{e000}", "\u{d7ff}"], &["a"]),
        (r"^[^\x{80}-\x{10FFFF}]$", &["a"], &["é"]),
        ("^[^é]$", &["a", "è", "😀"], &["é"]),
        ("(?P<name>a)(?<other>b)(?:c)", &["abc"], &["ab"]),
        ("^*a", &["a", "ba"], &["b"]),
        ("a$b", &[], &["ab", "a"]),
        (r"[^\x00-\x{10FFFF}]", &[], &["", "a"]),
        ("é", &["xé"], &["è", "e"]),
    ] {
        for text in yes {
            assert!(matches(pattern, text), "{pattern} in {text:?}");
        }
        for text in no {
            assert!(!matches(pattern, text), "{pattern} in {text:?}");
        }
    }
}

#[test]
fn a_pattern_of_any_length_up_to_the_limit_ends_where_it_says() {
    // 63 and 64 steps are on either side of one word of states.
    for length in [1, 62, 63, 64, 65, 127, 128, 900, MAX_STEPS - 3] {
        let whole = format!("(?:a{{100}}){{{}}}a{{{}}}", length / 100, length % 100);
        let pattern = format!("^{whole}$");
        assert!(matches(&pattern, &"a".repeat(length)), "{pattern}");
        assert!(!matches(&pattern, &"a".repeat(length - 1)), "{pattern}");
        assert!(!matches(&pattern, &"a".repeat(length + 1)), "{pattern}");
    }
}

#[test]
fn what_is_no_pattern_is_refused_where_it_is_wrong() {
    for (pattern, at, word) in [
        ("ab)", 2, "closes no group"),
        ("a(b", 1, "not closed"),
        ("a[b", 1, "not closed"),
        ("[]", 0, "not closed"),
        ("*a", 0, "nothing to repeat"),
        ("a|+", 2, "nothing to repeat"),
        ("a**", 2, "repeated"),
        ("a+{2}", 2, "repeated"),
        ("a{1001}", 1, "1000"),
        ("a{3,2}", 1, "not below"),
        ("a{99999999999999}", 1, "1000"),
        (r"a\", 1, "before a character"),
        (r"\1", 0, "references"),
        (r"(a)\07", 3, "references"),
        ("(?P=n)", 0, "references"),
        (r"\pL", 0, "Unicode"),
        (r"\Z", 0, "no escape"),
        (r"\é", 0, "no escape"),
        (r"\x4", 0, "hexadecimal"),
        (r"\x{110000}", 0, "hexadecimal"),
        (r"\x{}", 0, "hexadecimal"),
        (r"\x+1", 0, "hexadecimal"),
        ("é(?=b)", 2, "look-around"),
        ("(?!b)", 0, "look-around"),
        ("(?<=b)", 0, "look-around"),
        ("(?<!b)", 0, "look-around"),
        ("(?x)a", 2, "flags"),
        ("(?)a", 2, "flags"),
        ("(?i", 2, "flags"),
        ("(?--i)", 2, "flags"),
        ("(?P<a", 4, "name of a group"),
        ("(?P<<a>b)", 4, "name of a group"),
        ("(?<>b)", 3, "name of a group"),
        ("[b-a]", 1, "before its start"),
        (r"[a-\d]", 3, "ends with a character"),
        (r"[\b]", 1, "cannot be in a set"),
        ("[[:foo:]]", 1, "no such class"),
        ("[[:d:]]", 1, "no such class"),
        ("(?i)é", 4, "ASCII only"),
        ("(?i)[a-é]", 5, "ASCII only"),
        ("((a{1000}){1000}){1000}", 0, "steps"),
    ] {
        let (place, message) = refused(pattern);
        assert!(message.contains(word), "{pattern}: {message}");
        assert_eq!(place, at, "{pattern}: {message}");
    }
}

#[test]
fn patterns_have_limits() {
    let deep = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(matches(&deep(MAX_DEPTH), "a"));
    assert!(refused(&deep(MAX_DEPTH + 1)).1.contains("deep"));
    assert!(matches(&"a".repeat(MAX_PATTERN - 1), &"a".repeat(2000)));
    assert!(refused(&"a".repeat(MAX_PATTERN + 1)).1.contains("bytes"));
    assert!(refused(&format!("a{{{MAX_STEPS}}}")).1.contains("count"));
    assert!(refused("(a|b){500}").1.contains("steps"));
    // What takes no character is written out once.
    assert!(matches("^((){1000}){1000}$", ""));
    assert!(matches("^((a{0}){1000}){1000}$", ""));
}

#[test]
fn a_match_takes_no_more_than_text_times_pattern() {
    // Each of these takes a backtracking matcher years.
    for pattern in [
        "^(a+)+$",
        "^(a|a)*$",
        "^(a|aa)+$",
        "(a*)*(a*)*(a*)*b",
        "(x+x+)+y",
        "^(.*)*(.*)*z$",
    ] {
        let text = format!("{}!", "a".repeat(20_000));
        let mut fuel = 10_000_000;
        let pattern = Pattern::new(pattern).expect(pattern);
        assert_eq!(pattern.is_match(&text, &mut fuel), Some(false));
        assert!(fuel > 8_000_000, "{fuel}");
    }
    let most = Pattern::new("(a?){300}b").expect("a pattern");
    let (text, fuel) = ("a".repeat(10_000), 1_000_000);
    let mut left = fuel;
    assert_eq!(
        most.is_match(&text, &mut left),
        None,
        "it goes on beyond what it may cost"
    );
    assert!(left < fuel);
}

#[test]
fn what_cannot_begin_a_match_is_skipped() {
    let pattern = Pattern::new("[xy]z").expect("a pattern");
    let text = format!("{}xyz", "abcdefgh".repeat(2000));
    let mut fuel = 16_000;
    assert_eq!(pattern.is_match(&text, &mut fuel), Some(true));
    assert!(fuel > 14_000, "{fuel}");
    assert!(matches("[xy]z", "ééxz"));
    assert!(matches("é", "abcé"));
    assert!(matches(r"z\b", "abcz"));
    assert!(!matches(r"z\B", "abcz"));
}
