//! Keys that change while requests go on.
