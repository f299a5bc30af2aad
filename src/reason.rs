//! Every reason code, in one place: what it means for the caller, and what to do about it.
//!
//! The code is for operators (access log, filter state, metrics). The caller sees the public code only.

/// Whether the request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It goes on to the upstream.
    Allow,
    /// It is answered here.
    Deny,
}

impl Verdict {
    /// As the decision line and the metrics spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// One row of the table.
pub struct Row {
    /// `area.what`, stable: it stands in logs, metrics and tests of users.
    pub code: &'static str,
    /// What it means for the request.
    pub verdict: Verdict,
    /// The HTTP status of the answer; 0 where the request goes on.
    pub status: u16,
    /// What the caller is told, from a short fixed list; empty where the request goes on.
    pub public: &'static str,
    /// What happened, and what to do about it.
    pub advice: &'static str,
}

macro_rules! reasons {
    ($( $(#[$doc:meta])* $variant:ident = $code:literal, $verdict:ident, $status:literal, $public:literal, $advice:literal; )*) => {
        /// Why a request was decided as it was.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $( #[doc = $advice] $variant, )* }

        impl Reason {
            /// All reasons, in the order of the table.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The row of the table.
            #[must_use]
            pub fn row(self) -> &'static Row {
                match self {
                    $( Self::$variant => &Row { code: $code, verdict: Verdict::$verdict, status: $status, public: $public, advice: $advice }, )*
                }
            }
        }
    };
}

reasons! {
    // What lets a request go on.
    RuleAllowed = "rule.allowed", Allow, 0, "", "a rule allows it";
    GrantAllowed = "rule.allowed_by_grant", Allow, 0, "", "a rule allows it, and the permission that it demands is granted to the subject for a time: by a Grants document of the bundle, or by the token";
    RulePublic = "rule.public", Allow, 0, "", "a public rule (`identity: none`) allows it, whoever asks";
    DefaultAllowed = "policy.default_allow", Allow, 0, "", "a policy that governs it has `default: allow`, the token is valid, every requirement is met and nothing else decides";
    PreflightAllowed = "policy.preflight_allowed", Allow, 0, "", "a policy that governs it says `preflight: allow`, and it is what a browser asks before a request of another origin";
    ProbeAllowed = "policy.probe_allowed", Allow, 0, "", "a policy that governs it lists it in `probes`: a GET of that path at that port";
    CenterAllowed = "center.allowed", Allow, 0, "", "the regional center allows it";
    RevocationUnavailableAllowed = "identity.revocation_unavailable_allowed", Allow, 0, "", "a rule or a default allows it; whether its token is revoked cannot be told, and the home Region says `revocation.onUnavailable: allow`: look at the server of its lists";
    CenterUnavailableAllowed = "center.unavailable_allowed", Allow, 0, "", "the regional center is away, and the rule says `onUnavailable: allow`: look at the center";
    CenterLastAllowed = "center.last_allowed", Allow, 0, "", "the regional center is away, it allowed the same question a short while ago, and the rule says `onUnavailable: lastDecision`: look at the center";
    OverrideObserved = "override.observed", Allow, 0, "", "a policy refuses it, and the bundle has `override: {mode: observe}`, whose time has not ended: the line has the policy's reason behind `override:`";

    // What has no single meaning.
    RequestMalformed = "request.malformed", Deny, 400, "bad_request", "the header block, method or a pseudo-header is not valid: look at the client, or at what stands before this proxy";
    PathInvalid = "request.path_invalid", Deny, 400, "bad_request", "the path is missing, too long, not in origin form, or steps above the root";
    PathCharacter = "request.path_character", Deny, 400, "bad_request", "the path holds a raw byte that no path may hold: a control byte, a space, a backslash, `#` or a byte above 0x7E";
    PathEncoding = "request.path_encoding", Deny, 400, "bad_request", "the path holds a percent-encoding that is not valid, encodes a control byte, is encoded twice, or is not UTF-8";
    PathEncodedSlash = "request.path_encoded_slash", Deny, 400, "bad_request", "the path holds an encoded slash or backslash; `trust.paths.allow: [encodedSlash]` accepts the slash";
    PathParameters = "request.path_parameters", Deny, 400, "bad_request", "the path holds `;` parameters; `trust.paths.allow: [pathParameters]` accepts them";
    PathEmptySegment = "request.path_empty_segment", Deny, 400, "bad_request", "the path holds an empty segment (`//`); `trust.paths.allow: [emptySegments]` accepts it";
    PathNotCanonical = "request.path_not_canonical", Deny, 400, "bad_request", "the path is not in canonical form, and `trust.paths.strict` demands it";
    QueryInvalid = "request.query_invalid", Deny, 400, "bad_request", "the query holds a control character, a space, `#` or a byte outside of ASCII";
    AuthorityInvalid = "request.authority_invalid", Deny, 400, "bad_request", "the authority is missing, repeated, has user information or is not a valid host and port";
    TokenAmbiguous = "request.token_ambiguous", Deny, 400, "bad_request", "there is more than one Authorization value or token, in all of `tokens.sources` together: send exactly one";
    AuthorityNotServed = "request.authority_not_served", Deny, 421, "misdirected", "the authority is not in `trust.hosts`: add it there, or correct the client";

    // Who asks.
    IdentityMissing = "identity.missing", Deny, 401, "unauthenticated", "there is no token, and nothing public lets the request in";
    IdentityScheme = "identity.scheme", Deny, 401, "unauthenticated", "the Authorization scheme is not Bearer, and nothing public lets the request in";
    WorkloadMissing = "identity.workload_missing", Deny, 401, "unauthenticated", "the rule for this route is for workloads (`identity: workload`), and the peer's certificate names none: it needs exactly one URI, a SPIFFE id";
    WorkloadNotAccepted = "identity.workload_not_accepted", Deny, 401, "unauthenticated", "the workload is of a trust domain that no Region lists (`trustDomains`), or of another Region's and the local Region does not accept it (`accepts.workloads`); or it is one of `trust.edges`, which asks for others";
    TokenMalformed = "identity.malformed", Deny, 401, "unauthenticated", "the token is not a compact JWS of canonical base64url and JSON without repeated members (RFC 7515)";
    TokenTooLarge = "identity.too_large", Deny, 401, "unauthenticated", "the token is larger than 16 KiB";
    TokenType = "identity.type", Deny, 401, "unauthenticated", "the token's `typ` is not an access token's: absent, `JWT` or `at+jwt` (RFC 9068), or `JOSE` for a JWT-SVID";
    TokenCritical = "identity.critical", Deny, 401, "unauthenticated", "the token's header has `crit` or `b64`: no extension is understood here";
    TokenClaims = "identity.claims", Deny, 401, "unauthenticated", "a claim is missing, has the wrong form (`exp`, `sub`, `aud`, `permissions`, `roles`, …), or is not what `claims.require` of the Region demands";
    IssuerUnknown = "identity.issuer_unknown", Deny, 401, "unauthenticated", "no Region has this `iss`";
    RegionMismatch = "region.mismatch", Deny, 401, "unauthenticated", "not exactly one Region with this `iss` has the name that the token's region claim says, or a JWT-SVID's `iss` or region claim is not of the Region that lists its trust domain";
    RegionNotAccepted = "region.not_accepted", Deny, 401, "unauthenticated", "the token's home region is neither the local one nor in the local Region's `accepts`";
    KeyUnknown = "identity.key_unknown", Deny, 401, "unauthenticated", "the home region has no key with this `kid`, or none or several that fit a token without one";
    KeysUnavailable = "identity.keys_unavailable", Deny, 503, "unavailable", "the home region's keys are not there: they were never fetched, or are older than `staleFor`; look at the counter `fetch.failed`, the log, and the cluster that `keys` names";
    TokenAlgorithm = "identity.algorithm", Deny, 401, "unauthenticated", "the token's `alg` is not allowed for this Region or does not fit the key";
    TokenExpired = "identity.expired", Deny, 401, "unauthenticated", "the token's `exp` has passed";
    TokenNotYetValid = "identity.not_yet_valid", Deny, 401, "unauthenticated", "the token's `nbf` or `iat` is in the future: look at the issuer's clock";
    TokenLifetime = "identity.lifetime", Deny, 401, "unauthenticated", "the token is valid for longer than the `maxTokenLifetime` of its home or the local Region, or does not say since when (`iat`)";
    TokenAudience = "identity.audience", Deny, 401, "unauthenticated", "the token's `aud` holds none of the local Region's `audiences`";
    CrossSite = "identity.cross_site", Deny, 403, "forbidden", "the token stands in a cookie, the method changes something, and the request does not say that it comes from this very origin (`Origin`, `Sec-Fetch-Site: same-origin`): another site may have made the browser send it";
    TokenBound = "identity.bound", Deny, 401, "unauthenticated", "the token is bound to a sender (`cnf`) in a way that is not understood here: `x5t#S256` (RFC 8705) and `jkt` (RFC 9449) are";
    CertificateMissing = "identity.certificate_missing", Deny, 401, "unauthenticated", "the token is bound to a certificate, and the sender showed none that counts: look at `trust.peerVerification`, at the listener's TLS, and at `trust.edges` where a proxy stands in between";
    CertificateOther = "identity.certificate_other", Deny, 401, "unauthenticated", "the token is bound to another certificate than the sender's: the token was stolen, or the client has a new certificate and needs a new token";
    ProofScheme = "identity.proof_scheme", Deny, 401, "unauthenticated", "a token that is bound to a key comes with the scheme `DPoP`, and no other token does (RFC 9449)";
    ProofMissing = "identity.proof_missing", Deny, 401, "unauthenticated", "the token is bound to a key, and the request has no `DPoP` header";
    ProofInvalid = "identity.proof_invalid", Deny, 401, "unauthenticated", "the DPoP proof is not one, or is for another request, token or key: look at `typ`, `alg`, `jwk`, `htm`, `htu`, `ath` and `jti`, at what the proxies in front make of host and path, and that there is exactly one";
    ProofNonce = "identity.proof_nonce", Deny, 401, "unauthenticated", "the DPoP proof is too old, from the future, or from before this worker began, or a nonce is demanded: the answer has one, with which the client makes a new proof";
    ProofReplayed = "identity.proof_replayed", Deny, 401, "unauthenticated", "the DPoP proof was used before: a client makes a new one for each request, retries included";
    ProofBudget = "identity.proof_budget", Deny, 429, "too_many_requests", "too many DPoP proofs of this subject, or of all, have to be remembered in this worker";
    TokenSignature = "identity.signature", Deny, 401, "unauthenticated", "the signature does not verify under the home region's key";
    TokenRevoked = "identity.revoked", Deny, 401, "unauthenticated", "the token is revoked before its time: by its `jti`, its subject, its session or the key that signed it; the caller needs a new one";
    ClaimTooLarge = "identity.claim_too_large", Deny, 403, "forbidden", "a claim that the policy forwards takes more than 8 KiB as a header, or all of them more than 32 KiB: forward less of the token";
    TokenStatus = "identity.status", Deny, 401, "unauthenticated", "the token's `status` leads nowhere: it has not the form of a `status_list` alone, its `uri` is not below the home Region's `revocation.statusLists.uriPrefix` in canonical form, or its `idx` is beyond the list";
    VerificationBudget = "identity.verification_budget", Deny, 429, "too_many_requests", "too many tokens with bad signatures came from this peer, or to this worker";

    MultiFactorMissing = "identity.mfa_missing", Deny, 401, "insufficient_user_authentication", "a requirement (`method: multi-factor`) is not met: neither the token's `amr` nor its `acr` is one that the policy takes for several factors; the client has to log in with another one (RFC 9470)";
    StepUpRequired = "identity.step_up", Deny, 401, "insufficient_user_authentication", "a `stepUp` rule matches, and the token's `acr` is none of its own or its `auth_time` is too long ago: the client has to log in again as the challenge says (RFC 9470)";

    // On what device.
    DeviceMissing = "device.missing", Deny, 403, "forbidden", "a requirement (`device.compliance`) is not met: nothing says on what device the request was made: there is no posture token, and the user's token has no posture where its Region's `claims.device` points";
    DeviceAmbiguous = "device.ambiguous", Deny, 403, "forbidden", "a requirement (`device.compliance`) is not met: more than one posture token came with the request, so none of them counts: send exactly one";
    DeviceInvalid = "device.invalid", Deny, 403, "forbidden", "a requirement (`device.compliance`) is not met: the posture token is not valid here; look at its form, `typ`, `iss`, `aud`, the header it came in, and whether a key of that DeviceIssuer signed it";
    DeviceStale = "device.stale", Deny, 403, "forbidden", "a requirement (`device.compliance`) is not met: the posture token is older than its DeviceIssuer's `maxAge`, has expired, or is from the future: the device has to fetch another one";
    DeviceOtherSubject = "device.other_subject", Deny, 403, "forbidden", "a requirement (`device.compliance`) is not met: the posture token is of somebody else's device, by the `binding` of its DeviceIssuer";
    DeviceMalformed = "device.malformed", Deny, 403, "forbidden", "a requirement (`device.compliance`) is not met: a part of the device's posture has a wrong form (a flag that is no `true` or `false`, a version or a time that does not read as one, a `cnf` that is not understood), so none of it counts";
    DeviceNotShown = "device.not_shown", Deny, 403, "forbidden", "a requirement (`device.compliance`) is not met: the posture is bound to a certificate or a key (`cnf`), and the sender has shown none or another one";
    DeviceKeysUnavailable = "device.keys_unavailable", Deny, 503, "unavailable", "a requirement (`device.compliance`) cannot be judged: the keys of the posture token's DeviceIssuer are not there (yet, or not any more); look at their server";
    DeviceJailbroken = "device.jailbroken", Deny, 403, "forbidden", "a requirement (`jailbroken: false`) is not met: the device is jailbroken or rooted, or its posture does not say that it is not";
    DeviceManaged = "device.managed", Deny, 403, "forbidden", "a requirement (`managed: true`) is not met: the device is not managed, or its posture does not say so";
    DeviceEncryption = "device.encryption", Deny, 403, "forbidden", "a requirement (`encryption: required`) is not met: the device's storage is not encrypted, or its posture does not say so";
    DeviceScreenLock = "device.screen_lock", Deny, 403, "forbidden", "a requirement (`screen_lock: required`) is not met: the device does not lock, or its posture does not say so";
    DeviceCertificate = "device.certificate", Deny, 403, "forbidden", "a requirement (`certificate: required`) is not met: the posture neither says that a certificate is on the device nor is bound to one that was shown";
    DeviceOsVersion = "device.os_version", Deny, 403, "forbidden", "a requirement (`os_version`) is not met: the device's operating system is older, its platform is not listed, or its posture does not say which it is";
    DeviceLatestUnknown = "device.latest_unknown", Deny, 403, "forbidden", "a requirement (`os_version: latest`) cannot be met: the policy's `osVersions` do not say which version is the latest of the device's platform";
    DevicePatchAge = "device.patch_age", Deny, 403, "forbidden", "a requirement (`patch_age`) is not met: the device took its last update too long ago, or its posture does not say when";

    // What the policy says.
    RuleDenied = "rule.denied", Deny, 403, "forbidden", "a deny rule matches";
    ConditionUnknown = "rule.condition_unknown", Deny, 403, "forbidden", "a deny rule matches as far as can be told: one of its conditions cannot be read (the source, the workload, what its `when` looks at), a header or parameter that it looks at has more than one reading, or the node does not tell whether its policy stands here";
    PermissionMissing = "permission.missing", Deny, 403, "forbidden", "the rule for this route demands a permission that the token does not have here";
    PermissionOtherRegion = "permission.other_region", Deny, 403, "forbidden", "the token has the permission in another region only, not in the local one";
    PermissionNotAccepted = "permission.not_accepted", Deny, 403, "forbidden", "the token has the permission, but the local Region does not accept it from the token's home region";
    RoleMissing = "role.missing", Deny, 403, "forbidden", "the rule for this route demands a role that the token does not have here";
    SourceNotMatched = "rule.source", Deny, 403, "forbidden", "the rule for this route is for other source regions, countries or networks, or the source is unknown";
    WorkloadNotMatched = "rule.workload", Deny, 403, "forbidden", "the rule for this route is for other workloads, or the peer is no workload that counts here: its certificate needs exactly one URI, a SPIFFE id";
    HomeNotMatched = "rule.home_region", Deny, 403, "forbidden", "the rule for this route is for other home regions";
    ConditionNotMet = "rule.when", Deny, 403, "forbidden", "the `when` of the rule for this route does not hold, or reads what is not there";
    NoRule = "policy.no_rule", Deny, 403, "forbidden", "no rule of any policy is for this host, method and path";
    CertificateRequired = "identity.certificate_required", Deny, 403, "forbidden", "a requirement (`method: certificate`) is not met: the token is not bound to a certificate (`cnf` with `x5t#S256`), and no service asks by its own";
    SourceRegionNotAllowed = "context.source_region", Deny, 403, "forbidden", "a requirement restricts the source region, and this one is not in its list, or it is one of those that are denied";
    SourceUnknown = "context.source_unknown", Deny, 403, "forbidden", "a requirement restricts the source region, and the source is unknown: no Region's `networks` hold its address, or the edge in front did not name a Region";
    SourceCountryNotAllowed = "context.source_country", Deny, 403, "forbidden", "a requirement restricts the source country, and this one is not in its list, or it is one of those that are denied";
    SourceCountryUnknown = "context.source_country_unknown", Deny, 403, "forbidden", "a requirement restricts the source country, and it is unknown: the source region has no `country`, or the edge in front did not name one";
    OutsideBusinessHours = "context.business_hours", Deny, 403, "forbidden", "a requirement restricts the time, and it is outside of the region's business hours";
    CalendarMissing = "context.calendar_missing", Deny, 403, "forbidden", "a requirement restricts the time, and the region has no `timezone` and `businessHours`";
    OutsideHours = "context.hours", Deny, 403, "forbidden", "a requirement restricts the time, and it is outside of the `hours` of the policy";
    OutsideDates = "context.dates", Deny, 403, "forbidden", "a requirement restricts the time, and it is before `notBefore`, or not before `notAfter`";
    Maintenance = "context.maintenance", Deny, 403, "forbidden", "a requirement lets nobody in during maintenance, and one of its windows is now";
    UpgradeNotAllowed = "request.upgrade", Deny, 403, "forbidden", "no rule for this host, method and path names the protocol that is asked for (`upgrades`), or it is one that none can name";

    // Who else is asked.
    CenterDenied = "center.denied", Deny, 403, "forbidden", "the regional center denies it: its own reason is in the log";
    CenterLastDenied = "center.last_denied", Deny, 403, "forbidden", "the regional center is away, it denied the same question a short while ago, and the rule says `onUnavailable: lastDecision`: look at the center";
    CenterUnavailable = "center.unavailable", Deny, 503, "unavailable", "the regional center is away (no connection, deadline passed, 502, 503, 504), and the rule says deny";
    CenterError = "center.error", Deny, 503, "unavailable", "the regional center's answer is no answer to the question, or the host refused the call: look at the center and its cluster";
    RevocationUnavailable = "identity.revocation_unavailable", Deny, 503, "unavailable", "whether the token is revoked cannot be told: a list of its home Region is not there yet, is older than `staleFor`, or is not valid; look at its server";
    AttributesUnavailable = "identity.attributes_unavailable", Deny, 503, "unavailable", "a condition reads `identity`, and the identity replica of the home Region did not tell of the subject: look at that server and its cluster";

    // What is wrong here.
    OverrideDenied = "override.deny_all", Deny, 503, "unavailable", "the bundle has `override: {mode: denyAll}`, whose time has not ended: the log says who wants it, and why";
    RegionUnknown = "config.region_unknown", Deny, 503, "unavailable", "neither the bundle's `region` nor the node's locality names a Region of the bundle";
    ForeignVerifier = "config.foreign_verifier", Deny, 503, "unavailable", "another `CryptoProvider` of `jsonwebtoken` is installed in this process, so no signature is trusted: embed the kernel without it";
    NoBundle = "config.no_bundle", Deny, 503, "unavailable", "no bundle is in force for this plugin";
    Overloaded = "engine.overloaded", Deny, 503, "unavailable", "too many requests wait at once in this worker: for the center, or for what is fetched (keys, revocations)";
    StreamsFull = "engine.streams_full", Deny, 503, "unavailable", "too many upgrades are open in this worker, or too many of this caller: none is let in whose stream could not be ended later; look at who opens them, or at `streams: untilClosed`";
    DuplicateFilter = "config.duplicate_filter", Deny, 500, "misconfigured", "a decision line was there before this filter decided: the filter stands twice in the chain, or another one forges its line";
    Direction = "config.direction", Deny, 500, "misconfigured", "the filter stands in a sidecar's outbound listener, where it would judge what this workload asks of others: load it for inbound traffic only (in Istio `match: [{mode: SERVER}]`), or say `trust: {direction: any}`";
}

impl Reason {
    /// `area.what`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// Whether the request goes on.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        self.row().verdict
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Reason, Verdict};

    #[test]
    fn codes_are_unique_and_plain() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for code in codes {
            assert!(
                code.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'.' || byte == b'_'),
                "{code}"
            );
        }
    }

    #[test]
    fn a_denial_has_a_status_and_a_public_code() {
        for reason in Reason::ALL {
            let row = reason.row();
            match row.verdict {
                Verdict::Allow => assert!(row.status == 0 && row.public.is_empty(), "{}", row.code),
                Verdict::Deny => assert!(row.status >= 400 && !row.public.is_empty(), "{}", row.code),
            }
        }
    }
}
