//! Who else is asked: the AuthZEN Authorization API 1.0, spoken to the local region's policy decision point.

mod answer;
mod cache;
mod question;

pub use answer::{Answer, Failure, RESPONSE_MAX};
pub use cache::{DecisionCache, Kept};
pub use question::{ActionPart, ContextPart, Question, ResourcePart, SourcePart, SubjectPart, VOLATILE};
