//! What is asked: the headers as the host handed them in, and out of them one method, one authority and one path.
//!
//! Every later module judges only what this one produced. So it holds the line that a request has one meaning or none: whatever two servers
//! could read differently is refused here, before a token or a rule is looked at, and a host or path pattern of a policy is brought
//! into the same canonical form as the request that it is compared with.
//!
//! The order for one request: [`Headers::parse`], [`RequestHead::read`], [`Authority::parse`], [`canonicalise`].

mod authority;
mod error;
mod forwarded;
mod head;
mod headers;
mod host_pattern;
mod path;
mod query;
mod segment;
mod template;
mod upgrade;

pub use authority::{Authority, Scheme, has_trailing_dot};
pub use error::{AuthorityError, HeadError, HeadersError, PathError};
pub use forwarded::{forwarded_address, forwarded_certificate, parse_digest};
pub use head::{Collect, ContentKind, RequestHead, StripSet};
pub use headers::{Headers, HeadersIter, encode};
pub use host_pattern::{HostMatch, HostPattern, HostPatternError};
pub use path::{CanonicalPath, PathOptions, Segments, canonicalise};
pub use query::{Parameter, parameters};
pub use segment::fold_case;
pub use template::{Captures, PathTemplate, Segment, TemplateError};
pub use upgrade::Upgrade;
