//! Revocations, Grants and DeviceIssuer.

use super::form::{at, claim, duration, header, instant, list, region, text, text_of, texts, word};
use super::table::{Definition, Field, define, may, must, value};

/// The definitions.
pub(super) fn definitions() -> Vec<Definition> {
    let mut all = revocations();
    all.extend(grants());
    all.extend(devices());
    all
}

fn issuer() -> Field {
    must("issuer", text(), "`iss` of the tokens; a Region of the bundle has it")
}

fn subject() -> [Field; 3] {
    [
        must("home", region(), "the home region of the subject"),
        must("issuer", text(), "`iss` of its tokens: the issuer of that Region"),
        must("sub", text(), "`sub` of its tokens"),
    ]
}

fn revocations() -> Vec<Definition> {
    let mut revoked = Vec::from(subject());
    revoked.push(must(
        "notBefore",
        instant(),
        "tokens whose `iat` is before it count no more, nor do those without an `iat`",
    ));
    vec![
        define!("Revocations" in "document",
        "What is refused before its time, from the request after the push on. All documents together have 10,000 entries at most.",
        [("Revocations", "documents.md#revocations"), ("by a document", "revocation.md#by-a-document")],
        [
            may("tokens", list(at("RevokedToken")), "none", "single tokens"),
            may("subjects", list(at("RevokedSubject")), "none", "all tokens of a subject up to a time"),
            may("sessions", list(at("RevokedSession")), "none", "all tokens of a session"),
            may("keys", list(at("RevokedKey")), "none", "all tokens that each of these keys signed, 256 at most"),
        ]),
        define!("RevokedToken" in "revocations-spec",
        "A token that counts no more.",
        [("Revocations", "documents.md#revocations")],
        [
            issuer(),
            must("jti", text(), "`jti` of the token"),
            may("expires", instant(), "it stands for as long as it is there", "the token's `exp`, after which the entry is of no use"),
        ]),
        define!("RevokedSubject" in "revocations-spec",
            "A subject whose tokens count no more if they are older.",
            [("Revocations", "documents.md#revocations")],
            revoked),
        define!("RevokedSession" in "revocations-spec",
            "A session of which no token counts.",
            [("Revocations", "documents.md#revocations")],
            [issuer(), must("sid", text(), "`sid` of its tokens")]),
        define!("RevokedKey" in "revocations-spec",
        "A key that verifies no token: by `region` and `kid`, or by `thumbprint`.",
        [("Revocations", "documents.md#revocations")],
        [
            may("region", region(), "required beside `kid`", "the home region whose key it is"),
            may("kid", text(), "required without `thumbprint`", "the key's name there"),
            may("thumbprint", text_of("thumbprint", &["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]), "required without `region` and `kid`", "the key itself, in whatever Region: its RFC 7638 thumbprint (SHA-256, base64url, 43 characters)"),
        ]),
    ]
}

fn grants() -> Vec<Definition> {
    vec![
        define!("Grants" in "document",
            "Permissions for a time. All documents together have 10,000 at most.",
            [("Grants", "documents.md#grants"), ("permissions for a time", "grants.md")],
            [must("grants", list(at("Grant")), "who may what, and when")]),
        define!("Grant" in "grants-spec",
        "Permissions of one subject in one window. They count beside those of its token, and `accepts` does not narrow them.",
        [("permissions for a time", "grants.md#by-a-document")],
        [
            must("subject", at("GrantSubject"), "to whom"),
            must("permissions", texts(), "what, one by one and without `*`; 256 at most"),
            must("notBefore", instant(), "from when, without leeway"),
            must("expires", instant(), "until when, 30 days later at most; it holds no more at that time"),
            must("approvedBy", text(), "who approved it: for the log"),
            must("reason", text(), "why: for the log"),
        ]),
        define!("GrantSubject" in "grants-spec",
            "All that tells a subject: the same `sub` in two regions is two people.",
            [("permissions for a time", "grants.md#by-a-document")],
            subject()),
    ]
}

fn devices() -> Vec<Definition> {
    let part = |name: &'static str, usual: &'static str, says: &'static str| may(name, claim(), value(usual), says);
    vec![
        define!("DeviceIssuer" in "document",
        "Who signs postures of devices, and of whose devices. A bundle has 16 at most.",
        [("device issuers", "device.md#device-issuers")],
        [
            must("issuer", text(), "`iss` of its posture tokens, compared as it is; no two documents have the same"),
            must("audiences", texts(), "of which `aud` of a posture token must hold one; 32 at most"),
            must("keys", at("Keys"), "what verifies them, and nothing else: no key is a Region's or another manager's as well"),
            may("header", header(), value("x-device-posture"), "the header of a request that carries the posture token, and nothing else"),
            may("upstream", word(&["strip", "pass"]), value("strip"), "`strip`: that header is taken out of every request, whatever its verdict. `pass`: the upstream gets it, valid or not"),
            may("type", text(), "it is absent or `JWT`", "what `typ` in the posture token's header must be"),
            may("maxAge", duration("10s", "720h"), value("1h"), "how old a posture may be, by its `iat`"),
            may("binding", at("DeviceBinding"), "each of its fields as if left out", "how a posture is tied to its user"),
            may("claims", at("PostureClaims"), "each of its fields as if left out", "where the posture token holds each part"),
        ]),
        define!("DeviceBinding" in "device-issuer-spec",
        "Of whom a posture is. With several Regions, one or more of `home`, `issuer` and `regions` are there.",
        [("device issuers", "device.md#device-issuers")],
        [
            may("subject", claim(), value("sub"), "the claim of the posture that names whose it is"),
            may("token", claim(), value("sub"), "the claim of the user's token that it must equal"),
            may("home", claim(), "not compared", "the claim of the posture that must equal the name of the user's home region"),
            may("issuer", claim(), "not compared", "the claim of the posture that must equal `iss` of the user's token"),
            may("regions", list(region()), "users of each Region", "the Regions of which this manager knows the users"),
        ]),
        define!("PostureClaims" in "device-issuer-spec",
        "Where a posture token holds each part of the posture.",
        [("where a posture comes from", "device.md#where-a-posture-comes-from")],
        [
            part("id", "device.id", "which device it is"),
            part("platform", "device.platform", "`macos`, `ios`, `windows`, `linux`, `android`, `chromeos`, or another word"),
            part("osVersion", "device.os_version", "the version of its operating system"),
            part("encrypted", "device.encrypted", "whether its storage is encrypted"),
            part("managed", "device.managed", "whether the organisation manages it"),
            part("jailbroken", "device.jailbroken", "whether it is jailbroken or rooted"),
            part("screenLock", "device.screen_lock", "whether it locks"),
            part("certificate", "device.certificate", "whether the organisation's certificate is on it"),
            part("patchedAt", "device.patched_at", "when it took its last update"),
        ]),
    ]
}
