//! Countries by their codes.

use std::fmt;

use super::quoted;

/// A country, by its code of two letters (ISO 3166-1 alpha-2), or `XK`: the user-assigned code that everybody has for Kosovo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(&'static str);

impl Country {
    /// Reads a code as a document writes it: upper case.
    ///
    /// # Errors
    /// No country has this code: the error says which one is probably meant.
    pub fn parse(text: &str) -> Result<Self, CountryError> {
        find(text).map(Self).ok_or_else(|| CountryError {
            found: quoted(text),
            meant: meant(text),
        })
    }

    /// Reads a code as proxies write it in a header: in either case. `None` for anything else, such as `XX` or `T1`, which stand for an unknown country in
    /// some of them.
    #[must_use]
    pub fn from_header(value: &[u8]) -> Option<Self> {
        let [first, second] = value else { return None };
        let upper = [first.to_ascii_uppercase(), second.to_ascii_uppercase()];
        std::str::from_utf8(&upper).ok().and_then(find).map(Self)
    }

    /// The code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A text that is no country's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountryError {
    found: String,
    meant: Option<&'static str>,
}

impl CountryError {
    /// The code that was probably meant.
    #[must_use]
    pub fn suggestion(&self) -> Option<&'static str> {
        self.meant
    }
}

impl fmt::Display for CountryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no country: ", self.found)?;
        match self.meant {
            Some(code) => write!(f, "did you mean `{code}`?"),
            None => f.write_str("write its two letters as ISO 3166-1 has them, like `US` or `DE`"),
        }
    }
}

impl std::error::Error for CountryError {}

/// All codes, sorted, with a space between them.
const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY \
    BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK \
    FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR \
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK \
    ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM \
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF \
    TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// What people write in place of a code.
const MISTAKEN: [(&str, &str); 5] = [("UK", "GB"), ("GBR", "GB"), ("EL", "GR"), ("USA", "US"), ("DEU", "DE")];

fn find(code: &str) -> Option<&'static str> {
    let mut codes = CODES.split(' ');
    codes.find(|known| *known == code)
}

fn meant(text: &str) -> Option<&'static str> {
    let upper = text.trim().to_ascii_uppercase();
    let mistaken = MISTAKEN.iter().find(|(wrong, _)| *wrong == upper);
    find(&upper).or(mistaken.map(|(_, right)| *right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_codes_are_there_once_and_sorted() {
        let codes: Vec<&str> = CODES.split(' ').collect();
        // ISO 3166-1 has 249; and Kosovo.
        assert_eq!(codes.len(), 250);
        assert!(codes.is_sorted_by(|a, b| a < b));
        for code in codes {
            assert!(
                code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()),
                "{code}"
            );
            assert_eq!(Country::parse(code).map(Country::code), Ok(code));
            let lower = code.to_ascii_lowercase();
            assert_eq!(Country::from_header(lower.as_bytes()).map(Country::code), Some(code));
            assert_eq!(Country::parse(&lower).expect_err("upper case").suggestion(), Some(code));
        }
    }

    #[test]
    fn what_is_no_country_is_refused() {
        for (text, meant) in [
            ("UK", Some("GB")),
            ("uk", Some("GB")),
            ("USA", Some("US")),
            (" US", Some("US")),
            ("EL", Some("GR")),
            ("EU", None),
            ("XX", None),
            ("T1", None),
            ("U", None),
            ("U S", None),
            ("", None),
            ("Germany", None),
        ] {
            let error = Country::parse(text).expect_err(text);
            assert_eq!(error.suggestion(), meant, "{text}");
            assert!(error.to_string().contains(meant.unwrap_or("ISO 3166-1")), "{error}");
            assert_eq!(Country::from_header(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Country::from_header(b"\xc3\xa9"), None);
        assert_eq!(Country::from_header(b"US, DE"), None);
    }
}
