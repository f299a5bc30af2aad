use super::*;
use proptest::prelude::*;

type Line<'a> = (&'a [u8], &'a [u8]);

fn parse(block: &[u8]) -> Result<Vec<Line<'_>>, HeadersError> {
    Headers::parse(block).map(|headers| headers.iter().collect())
}

fn quick() -> ProptestConfig {
    ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The example of the proxy-wasm SDK's own tests, byte for byte.
const SDK_EXAMPLE: &[u8] = &[
    2, 0, 0, 0, //
    7, 0, 0, 0, 3, 0, 0, 0, //
    5, 0, 0, 0, 8, 0, 0, 0, //
    58, 109, 101, 116, 104, 111, 100, 0, 71, 69, 84, 0, //
    58, 112, 97, 116, 104, 0, 47, 98, 121, 116, 101, 115, 47, 49, 0,
];

#[test]
fn reads_what_a_host_writes() {
    let expected: Vec<Line<'_>> = vec![(b":method", b"GET"), (b":path", b"/bytes/1")];
    assert_eq!(parse(SDK_EXAMPLE), Ok(expected.clone()));
    assert_eq!(encode(&expected), SDK_EXAMPLE);
}

#[test]
fn reads_any_bytes() {
    let lines: Vec<Line<'_>> = vec![(b"x-\xff", b"\xe9\x00\n"), (b"", b""), (b"\x00", b"\x00\x00")];
    assert_eq!(parse(&encode(&lines)), Ok(lines));
}

#[test]
fn no_bytes_and_a_count_of_zero_are_no_headers() {
    assert_eq!(parse(&[]), Ok(vec![]));
    assert_eq!(parse(&[0, 0, 0, 0]), Ok(vec![]));
    assert!(Headers::parse(&[]).expect("valid").is_empty());
}

#[test]
fn counts_and_looks_up() {
    let block = encode(&[(b"a", b"1"), (b"B", b"2"), (b"b", b"3")]);
    let headers = Headers::parse(&block).expect("valid");
    assert_eq!(headers.len(), 3);
    assert_eq!(headers.iter().len(), 3);
    assert_eq!(headers.values("b").collect::<Vec<_>>(), [b"2", b"3"]);
    assert_eq!(headers.values("c").count(), 0);
    assert_eq!((&headers).into_iter().count(), 3);
}

#[test]
fn refuses_every_cut_and_every_addition() {
    for end in 1..SDK_EXAMPLE.len() {
        assert_eq!(parse(&SDK_EXAMPLE[..end]), Err(HeadersError::Broken), "cut at {end}");
    }
    let longer = [SDK_EXAMPLE, b"\0"].concat();
    assert_eq!(parse(&longer), Err(HeadersError::Broken));
}

#[test]
fn refuses_a_missing_terminator() {
    for (at, byte) in SDK_EXAMPLE.iter().enumerate().skip(20) {
        if *byte == 0 {
            let mut block = SDK_EXAMPLE.to_vec();
            block[at] = b'x';
            assert_eq!(parse(&block), Err(HeadersError::Broken), "at {at}");
        }
    }
}

#[test]
fn refuses_lengths_that_overflow() {
    let mut block = vec![1, 0, 0, 0];
    block.extend_from_slice(&[0xff; 8]);
    block.extend_from_slice(&[0; 16]);
    assert_eq!(parse(&block), Err(HeadersError::Broken));
    assert_eq!(parse(&[0xff; 4]), Err(HeadersError::TooMany));
}

#[test]
fn holds_its_limits() {
    let line: Line<'_> = (b"a", b"b");
    assert_eq!(
        parse(&encode(&vec![line; MAX_LINES])).map(|lines| lines.len()),
        Ok(MAX_LINES)
    );
    assert_eq!(parse(&encode(&vec![line; MAX_LINES + 1])), Err(HeadersError::TooMany));
    let value = vec![b'v'; MAX_BYTES - 4 - LENGTHS - 3];
    assert!(parse(&encode(&[(b"a", &value)])).is_ok());
    let value = vec![b'v'; MAX_BYTES - 4 - LENGTHS - 2];
    assert_eq!(parse(&encode(&[(b"a", &value)])), Err(HeadersError::TooLarge));
}

proptest! {
    #![proptest_config(quick())]

    #[test]
    fn any_bytes_are_headers_or_an_error(block in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&block);
    }

    #[test]
    fn small_numbers_are_headers_or_an_error(block in prop::collection::vec(0_u8..4, 0..100)) {
        if let Ok(headers) = Headers::parse(&block) {
            prop_assert_eq!(headers.iter().count(), headers.len());
        }
    }

    #[test]
    fn what_is_encoded_is_read_back(lines in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..20)) {
        let lines: Vec<Line<'_>> = lines.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let block = encode(&lines);
        prop_assert_eq!(parse(&block), Ok(lines));
    }
}
