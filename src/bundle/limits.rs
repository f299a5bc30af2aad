//! How much of everything a bundle may hold, in one table, so that no push can exhaust a worker.

/// Bytes of the whole configuration.
pub const BYTES: usize = 16 << 20;
/// Values (members, items, scalars) in the whole configuration.
pub const NODES: usize = 1_000_000;
/// Objects and lists inside of each other.
pub const DEPTH: usize = 32;
/// Members of one object.
pub const MEMBERS: usize = 256;
/// The magnitude of a number: beyond it, not every integer can be told from its neighbours (IEEE 754 binary64).
pub const INTEGER: u64 = 1 << 53;
/// Diagnostics of one severity that are kept; of the others there is the count.
pub const DIAGNOSTICS: usize = 100;
/// Names for which the nearest known one is looked up.
pub const SUGGESTIONS: usize = 200;
/// Known names that one of these is compared with: with more, it counts as several.
pub const COMPARED: usize = 64;

/// Bytes of a name of a document or a rule.
pub const NAME: usize = 253;
/// Bytes of any other string.
pub const TEXT: usize = 1_024;

/// Region documents.
pub const REGIONS: usize = 64;
/// ZeroTrustPolicy documents.
pub const POLICIES: usize = 1_000;
/// Revocations documents.
pub const REVOCATION_DOCUMENTS: usize = 64;
/// DeviceIssuer documents.
pub const DEVICE_ISSUERS: usize = 16;
/// Grants documents.
pub const GRANT_DOCUMENTS: usize = 64;
/// Documents of every kind.
pub const DOCUMENTS: usize = 1_208;

/// Rules of all policies.
pub const RULES: usize = 20_000;
/// Pairs of host and path, summed over all rules: what the index is built from.
pub const EXPANSIONS: usize = 200_000;
/// Places in the index, summed over all rules: for each path its segments and methods, in the trie of each host that gets one. One takes up to 50 bytes, and twice that while a table grows.
pub const INDEX: usize = 4_000_000;
/// `hosts`, `paths`, `methods`, `from.networks` or `from.workloads` of one rule, `in` of one entry of `headers` or `query`, `grpc.services` or `grpc.methods` of one rule and their pairs, `workloads` of one entry of `accepts`, `selector.hosts` or `selector.workloads` of one policy, `trust.hosts`, `peers` of one edge.
pub const RULE_ITEMS: usize = 256;
/// Bytes of `when` of one rule.
pub const WHEN: usize = 4_096;
/// What one evaluation of a `when` may cost, in units of about one step: beyond it, the condition is unknown.
pub const EVALUATION_COST: u32 = 10_000;
/// One list of permissions or roles.
pub const WORDS: usize = 256;
/// `headers`, `query` or `upgrades` of one rule.
pub const MATCHERS: usize = 16;
/// `probes` of one policy.
pub const PROBES: usize = 16;
/// `trust.edges`.
pub const EDGES: usize = 16;
/// `hops` of one edge.
pub const HOPS: u64 = 16;
/// `context` restrictions of one kind in one policy, and its `identity.authentication`.
pub const RESTRICTIONS: usize = 16;
/// `forward.claims` of one policy.
pub const FORWARD_CLAIMS: usize = 32;
/// One list of `acr` or `amr` values.
pub const AUTHENTICATION_VALUES: usize = 16;
/// `defer.claims` of one rule.
pub const DEFER_CLAIMS: usize = 32;
/// Bytes of JSON in the `response.body` of one rule.
pub const RESPONSE_BODY: usize = 4 << 10;

/// Grants of all documents.
pub const GRANTS: usize = 10_000;

/// `tokens.sources`.
pub const TOKEN_SOURCES: usize = 8;

/// Keys of one Region.
pub const KEYS: usize = 64;
/// Members of one key, and what is nested in it.
pub const KEY_NODES: usize = 128;
/// Bytes of one string in a key: an RSA modulus of 8,192 bits has 1,366; certificate chains (`x5c`) are longer.
pub const KEY_TEXT: usize = 16 << 10;
/// `keys.algorithms` of one Region.
pub const ALGORITHMS: usize = 16;
/// `claims.require` of one Region.
pub const REQUIRED_CLAIMS: usize = 16;
/// `audiences` of one Region.
pub const AUDIENCES: usize = 32;
/// `trustDomains` of one Region.
pub const TRUST_DOMAINS: usize = 32;
/// `accepts` of one Region.
pub const ACCEPTS: usize = 64;
/// `weekly` hours of one calendar.
pub const WEEKLY_HOURS: usize = 64;
/// `holidays` of one calendar, and its `exceptions`.
pub const CALENDAR_DATES: usize = 512;
/// `hours` of one exception.
pub const HOURS_OF_A_DAY: usize = 16;
/// `maintenance` windows of one restriction.
pub const MAINTENANCE: usize = 64;
/// One list of countries.
pub const COUNTRIES: usize = 250;
/// `networks` of one Region.
pub const NETWORKS: usize = 4_096;

/// Entries of all Revocations documents.
pub const REVOCATIONS: usize = 10_000;
/// `keys` of one Revocations document.
pub const REVOKED_KEYS: usize = 256;

/// `tests` of one PolicyTest.
pub const TESTS: usize = 1_000;
/// `expected` of one of them.
pub const TEST_EXPECTATIONS: usize = 1_000;
/// Requests of all tests of one PolicyTest, each principal's counted.
pub const TEST_CASES: usize = 100_000;
