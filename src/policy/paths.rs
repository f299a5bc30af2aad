//! Rules by path and method: tries of path segments, many roots in one arena.
//!
//! What is hashed is the operator's (see [`hosts`](super::hosts)). A path is walked once: each segment is looked up among all words of all
//! tries, and from then on only numbers are compared.

use hashbrown::HashMap;

use super::compile::RuleRef;
use crate::request::{CanonicalPath, PathTemplate, Segment};
use crate::sort::Arrange as _;

/// A node of the arena.
pub(super) type NodeId = usize;

/// What a rule says of methods where it says nothing.
const EVERY_METHOD: usize = 0;

/// The tries.
#[derive(Debug, Default)]
pub(super) struct PathTries {
    nodes: Vec<Node>,
    /// The words of all literal segments, by number.
    words: HashMap<String, usize>,
    /// From a node by a word to the next node.
    literal: HashMap<(NodeId, usize), NodeId>,
    /// All methods that any rule names, numbered from one.
    methods: HashMap<String, usize>,
}

#[derive(Debug, Default)]
struct Node {
    /// The next node by `*` or a capture.
    single: Option<NodeId>,
    /// For paths that end here.
    here: Leaf,
    /// For paths that end here or below (`**`).
    below: Leaf,
}

/// Methods and rules; sorted by method once all are there.
#[derive(Debug, Default)]
struct Leaf(Vec<(usize, RuleRef)>);

/// Lists that a walk fills, kept for the next one.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The nodes that the walk has reached: at its start, the roots.
    pub(super) reached: Vec<NodeId>,
    next: Vec<NodeId>,
    /// How many nodes were looked at.
    pub(super) steps: usize,
}

impl PathTries {
    /// A new, empty trie.
    pub(super) fn root(&mut self) -> NodeId {
        self.nodes.push(Node::default());
        self.nodes.len().saturating_sub(1)
    }

    /// Adds a rule for `methods` (`None`: all) of `template` (`None`: every path).
    pub(super) fn add(
        &mut self,
        root: NodeId,
        template: Option<&PathTemplate>,
        methods: Option<&[String]>,
        rule: RuleRef,
    ) {
        let mut node = root;
        let mut is_tail = template.is_none();
        for segment in template.map_or(&[][..], PathTemplate::segments) {
            node = match segment {
                Segment::Literal(word) => self.literal_child(node, word),
                Segment::Capture(_) | Segment::Any => self.single_child(node),
                Segment::Rest => {
                    is_tail = true;
                    break;
                }
            };
        }
        let methods = self.numbers(methods);
        if let Some(node) = self.nodes.get_mut(node) {
            let leaf = if is_tail { &mut node.below } else { &mut node.here };
            for method in methods {
                leaf.add(method, rule);
            }
        }
    }

    /// To be called once all rules are there.
    pub(super) fn finish(&mut self) {
        for node in &mut self.nodes {
            for leaf in [&mut node.here, &mut node.below] {
                leaf.0.arrange();
            }
        }
    }

    /// Finds the rules for this method and path below the roots in `walk`; some may be found more than once.
    pub(super) fn find(&self, method: &str, path: &CanonicalPath<'_>, walk: &mut Walk, rules: &mut Vec<RuleRef>) {
        let method = self.methods.get(method).copied().unwrap_or(EVERY_METHOD);
        walk.steps = 0;
        self.collect(walk, method, rules, |node| &node.below);
        for segment in path.segments() {
            if walk.reached.is_empty() {
                return;
            }
            let word = self.words.get(&*segment).copied();
            walk.next.clear();
            for from in &walk.reached {
                let literal = word.and_then(|word| self.literal.get(&(*from, word)).copied());
                // Neither `*` nor a capture stands for an empty segment.
                let single = self
                    .nodes
                    .get(*from)
                    .and_then(|node| node.single)
                    .filter(|_| !segment.is_empty());
                walk.next.extend(literal.into_iter().chain(single));
            }
            core::mem::swap(&mut walk.reached, &mut walk.next);
            self.collect(walk, method, rules, |node| &node.below);
        }
        self.collect(walk, method, rules, |node| &node.here);
    }

    /// How many nodes there are.
    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    fn collect(&self, walk: &mut Walk, method: usize, rules: &mut Vec<RuleRef>, leaf: impl Fn(&Node) -> &Leaf) {
        walk.steps = walk.steps.saturating_add(walk.reached.len());
        for node in walk.reached.iter().filter_map(|id| self.nodes.get(*id)) {
            leaf(node).find(method, rules);
        }
    }

    fn literal_child(&mut self, node: NodeId, word: &str) -> NodeId {
        let numbered = self.words.len();
        let word = *self.words.entry_ref(word).or_insert(numbered);
        if let Some(child) = self.literal.get(&(node, word)) {
            return *child;
        }
        let child = self.root();
        self.literal.insert((node, word), child);
        child
    }

    fn single_child(&mut self, node: NodeId) -> NodeId {
        if let Some(child) = self.nodes.get(node).and_then(|node| node.single) {
            return child;
        }
        let child = self.root();
        if let Some(node) = self.nodes.get_mut(node) {
            node.single = Some(child);
        }
        child
    }

    fn numbers(&mut self, methods: Option<&[String]>) -> Vec<usize> {
        let Some(methods) = methods else {
            return vec![EVERY_METHOD];
        };
        let includes_head = methods.iter().any(|method| method == "GET");
        let named = methods
            .iter()
            .map(String::as_str)
            .chain(includes_head.then_some("HEAD"));
        let mut numbers: Vec<_> = named
            .map(|method| {
                let numbered = self.methods.len().saturating_add(1);
                *self.methods.entry_ref(method).or_insert(numbered)
            })
            .collect();
        numbers.arrange();
        numbers.dedup();
        numbers
    }
}

impl Leaf {
    fn add(&mut self, method: usize, rule: RuleRef) {
        self.0.push((method, rule));
    }

    fn find(&self, method: usize, rules: &mut Vec<RuleRef>) {
        let own = if method == EVERY_METHOD {
            &[][..]
        } else {
            self.of(method)
        };
        rules.extend(self.of(EVERY_METHOD).iter().chain(own).map(|(_, rule)| *rule));
    }

    fn of(&self, method: usize) -> &[(usize, RuleRef)] {
        let from = self.0.partition_point(|(other, _)| *other < method);
        let rest = self.0.get(from..).unwrap_or_default();
        let until = rest.partition_point(|(other, _)| *other == method);
        rest.get(..until).unwrap_or_default()
    }
}
