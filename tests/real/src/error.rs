use regionguard_harness::Result;

/// Says what was attempted, in front of the error that it ended with.
pub(crate) trait Context<T> {
    /// Adds `what` to the error's text.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: std::fmt::Display> Context<T> for Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| format!("{}: {error}", what()).into())
    }
}
