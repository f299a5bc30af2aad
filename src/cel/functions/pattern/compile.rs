//! From a pattern's tree to the steps that are followed.

use super::parse::{Node, Tree};
use super::set::Set;
use super::{Look, MAX_STEPS, PatternError, Wrong};

/// The steps of a pattern. Behind the last one it has matched.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) sets: Vec<Set>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Takes this character, and goes on with the next step.
    Character(char),
    /// Takes a character of the set of this number, and goes on with the next step.
    Set(u16),
    /// Goes on with both.
    Either(u16, u16),
    /// Goes on with the next step if this holds here.
    Look(Look),
}

/// # Errors
/// It has too many steps.
pub(super) fn compile(tree: Tree) -> Result<Program, Wrong> {
    let mut steps = Steps(Vec::new());
    steps.node(&tree.root)?;
    Ok(Program {
        steps: steps.0,
        sets: tree.sets,
    })
}

struct Steps(Vec<Step>);

impl Steps {
    fn node(&mut self, node: &Node) -> Result<(), Wrong> {
        match node {
            Node::Empty => Ok(()),
            Node::Character(character) => self.push(Step::Character(*character)),
            Node::Set(index) => self.push(Step::Set(*index)),
            Node::Look(look) => self.push(Step::Look(*look)),
            Node::Sequence(nodes) => nodes.iter().try_for_each(|node| self.node(node)),
            Node::Choice(nodes) => self.choice(nodes),
            Node::Repeat { node, least, most } => self.repeat(node, *least, *most),
        }
    }

    fn choice(&mut self, nodes: &[Node]) -> Result<(), Wrong> {
        let mut ends = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            if index.saturating_add(1) == nodes.len() {
                self.node(node)?;
                break;
            }
            let fork = self.here();
            self.push(Step::Either(0, 0))?;
            self.node(node)?;
            ends.push(self.here());
            self.push(Step::Either(0, 0))?;
            self.set(fork, fork.saturating_add(1), self.here());
        }
        let end = self.here();
        for place in ends {
            self.set(place, end, end);
        }
        Ok(())
    }

    fn repeat(&mut self, node: &Node, least: u32, most: Option<u32>) -> Result<(), Wrong> {
        for _ in 0..least {
            let before = self.here();
            self.node(node)?;
            if self.here() == before {
                // Nothing, however often.
                return Ok(());
            }
        }
        match most {
            None => {
                let fork = self.here();
                self.push(Step::Either(0, 0))?;
                self.node(node)?;
                self.push(Step::Either(fork, fork))?;
                self.set(fork, fork.saturating_add(1), self.here());
            }
            Some(most) => {
                let mut forks = Vec::new();
                for _ in least..most {
                    let fork = self.here();
                    forks.push(fork);
                    self.push(Step::Either(0, 0))?;
                    self.node(node)?;
                    if self.here() == fork.saturating_add(1) {
                        break;
                    }
                }
                let end = self.here();
                for fork in forks {
                    self.set(fork, fork.saturating_add(1), end);
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, step: Step) -> Result<(), Wrong> {
        // One place stays for the end.
        if self.0.len().saturating_add(1) >= MAX_STEPS {
            return Err(PatternError::new(
                0,
                &format!(
                    "the pattern has more than {MAX_STEPS} steps with its repetitions written out: make its counts smaller"
                ),
            ));
        }
        self.0.push(step);
        Ok(())
    }

    fn here(&self) -> u16 {
        u16::try_from(self.0.len()).unwrap_or(u16::MAX)
    }

    fn set(&mut self, place: u16, this: u16, that: u16) {
        if let Some(step) = self.0.get_mut(usize::from(place)) {
            *step = Step::Either(this, that);
        }
    }
}
