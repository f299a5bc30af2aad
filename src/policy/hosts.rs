//! Values by host: exact names and suffixes in hash tables, each for every port or for one.
//!
//! The tables hold what an operator wrote; a request only brings the keys to look for. So no client can make two entries collide, and the default hasher,
//! which is not made to withstand that, is safe here: the longest probe is settled when the table is built.

use hashbrown::HashMap;

use crate::request::{Authority, HostMatch, HostPattern};

/// From host patterns to values.
#[derive(Debug)]
pub(super) struct HostMap<V> {
    exact: HashMap<String, Ports<V>>,
    /// By suffix, its leading dot left out.
    below: HashMap<String, Ports<V>>,
    /// The labels of the longest suffix: a host with a hundred labels costs no more look-ups than that.
    deepest: usize,
}

impl<V> Default for HostMap<V> {
    fn default() -> Self {
        Self {
            exact: HashMap::default(),
            below: HashMap::default(),
            deepest: 0,
        }
    }
}

impl<V: Default> HostMap<V> {
    /// The value of this pattern, made where there is none.
    pub(super) fn entry(&mut self, pattern: &HostPattern) -> &mut V {
        let ports = match pattern.host() {
            HostMatch::Exact(host) => self.exact.entry_ref(host).or_default(),
            HostMatch::Suffix(suffix) => {
                let name = suffix.strip_prefix('.').unwrap_or(suffix);
                self.deepest = self.deepest.max(name.split('.').count());
                self.below.entry_ref(name).or_default()
            }
        };
        ports.entry(pattern.port())
    }
}

impl<V> HostMap<V> {
    /// Hands in the value of each pattern that matches.
    pub(super) fn visit<'m>(&'m self, authority: &Authority<'_>, mut visit: impl FnMut(&'m V)) {
        let (host, port) = (authority.host(), authority.effective_port());
        if let Some(ports) = self.exact.get(host) {
            ports.visit(port, &mut visit);
        }
        if self.deepest == 0 {
            return;
        }
        for (dot, _) in host.rmatch_indices('.').take(self.deepest) {
            // A suffix matches longer hosts only: something stands before its dot.
            let suffix = host.get(dot.saturating_add(1)..).filter(|_| dot > 0);
            if let Some(ports) = suffix.and_then(|suffix| self.below.get(suffix)) {
                ports.visit(port, &mut visit);
            }
        }
    }

    /// Whether any pattern matches.
    pub(super) fn has(&self, authority: &Authority<'_>) -> bool {
        let mut found = false;
        self.visit(authority, |_| found = true);
        found
    }
}

/// The values of one name.
#[derive(Debug)]
struct Ports<V> {
    every: Option<V>,
    /// Sorted by port.
    one: Vec<(u16, V)>,
}

impl<V> Default for Ports<V> {
    fn default() -> Self {
        Self {
            every: None,
            one: Vec::new(),
        }
    }
}

impl<V: Default> Ports<V> {
    fn entry(&mut self, port: Option<u16>) -> &mut V {
        let Some(port) = port else {
            return self.every.get_or_insert_default();
        };
        let at = match self.one.binary_search_by_key(&port, |(port, _)| *port) {
            Ok(at) => at,
            Err(at) => {
                self.one.insert(at, (port, V::default()));
                at
            }
        };
        match self.one.get_mut(at) {
            Some((_, value)) => value,
            // Never taken: it was found or inserted there.
            None => self.every.get_or_insert_default(),
        }
    }
}

impl<V> Ports<V> {
    fn visit<'m>(&'m self, port: Option<u16>, visit: &mut impl FnMut(&'m V)) {
        if let Some(value) = &self.every {
            visit(value);
        }
        let one = port.and_then(|port| self.one.binary_search_by_key(&port, |(port, _)| *port).ok());
        if let Some((_, value)) = one.and_then(|at| self.one.get(at)) {
            visit(value);
        }
    }
}
