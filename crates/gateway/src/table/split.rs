//! The split: which upstream a request of a route goes to (APISIX §2.2, §2.4).

use super::Target;
use crate::assignment::{Assigned, Assignment, Cookies};
use crate::balance::shuffle::Shuffled;
use crate::balance::wheel::Wheel;
use crate::examine::Examination;
use crate::guard::Seat;
use crate::hold::Hold;
use crate::shadow::Shadow;
use model::expr::eval::{Matcher, Variables};
use model::record::Lane;
use std::sync::Arc;
use telemetry::series::Series;

/// The compiled rules of `traffic-split`; the first whose match passes decides.
#[derive(Debug)]
pub struct Split {
    /// In order.
    pub rules: Vec<Rule>,
    /// Counters of what came under a hold of theirs, waited or not, and no colour got: the client went away, the time was over,
    /// or there was nobody to claim. `None`: none of them has a hold.
    pub held: Option<Arc<Series>>,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// `None`: passes. An empty list leaves the verdict of the rule before.
    pub matches: Option<Vec<Matcher>>,
    /// The first `upstream_id` that does not exist, if one does not: reaching this rule is then an error, also when
    /// its weight is 0.
    pub missing: Option<String>,
    /// The choices, one for each key.
    pub choices: Vec<Choice>,
    /// How one of them is chosen.
    pub turns: Turns,
    /// Requests that it decides may have to wait.
    pub hold: Option<Arc<Hold>>,
}

/// How a choice of a rule is made.
#[derive(Debug)]
pub enum Turns {
    /// By turn, as APISIX's.
    Wheel(Wheel),
    /// By turn, in a shuffled order.
    Shuffled(Shuffled),
    /// By who asks.
    Assigned(Box<Assignment>),
}

/// One choice of a rule.
#[derive(Debug)]
pub struct Choice {
    /// Where to.
    pub goal: Goal,
    /// Its share.
    pub weight: u32,
    /// Its counters.
    pub series: Arc<Series>,
    /// What its answers are asked.
    pub examination: Option<Examination>,
    /// Where its users are counted, if they keep their version.
    pub seat: Option<Seat>,
    /// Copies of its requests go to the new version.
    pub shadow: Option<Arc<Shadow>>,
}

/// Where a choice leads.
#[derive(Clone, Debug)]
pub enum Goal {
    /// To an upstream.
    Target(Arc<Target>),
    /// Nowhere: the upstream of the route and service is missing or gone.
    Nowhere(super::RouteDefault),
}

/// What a split says of a request.
#[derive(Debug)]
pub enum Verdict<'a> {
    /// This choice, and the cookie that keeps it, if the client is to get one.
    Chosen(&'a Choice, Assigned<'a>),
    /// No rule's match passed: the default upstream.
    Default,
    /// An upstream that a rule names does not exist.
    Missing(&'a str),
}

impl Split {
    /// Chooses for one request. Where a rule goes by turns, its turn moves on.
    pub fn choose<V: Cookies>(&self, variables: &V, thread: usize) -> Verdict<'_> {
        let rule = match self.decisive(variables) {
            Ok(Some(rule)) => rule,
            Ok(None) => return Verdict::Default,
            Err(missing) => return Verdict::Missing(missing),
        };
        let Some(assigned) = rule.turns.choose(variables, thread) else { return Verdict::Default };
        let choice = rule.choices.get(assigned.choice);
        choice.map_or(Verdict::Default, |choice| Verdict::Chosen(choice, assigned))
    }

    /// The hold under which one request would be chosen for, if there is one.
    pub fn hold<V: Variables>(&self, variables: &V) -> Option<&Arc<Hold>> {
        self.decisive(variables).ok().flatten()?.hold.as_ref()
    }

    /// The rule that decides; or the upstream that is missing in one before it.
    fn decisive<V: Variables>(&self, variables: &V) -> Result<Option<&Rule>, &str> {
        let mut passed = true;
        for rule in &self.rules {
            if let Some(id) = &rule.missing {
                return Err(id);
            }
            match &rule.matches {
                None => passed = true,
                Some(matches) => {
                    for matcher in matches {
                        passed = matcher.matches(variables);
                        if passed {
                            break;
                        }
                    }
                }
            }
            if passed {
                return Ok(Some(rule));
            }
        }
        Ok(None)
    }
}

impl Turns {
    fn choose<V: Cookies>(&self, variables: &V, thread: usize) -> Option<Assigned<'_>> {
        let by_turn = |choice| Assigned { choice, issued: None, point: None };
        match self {
            Turns::Wheel(wheel) => wheel.next(thread).map(by_turn),
            Turns::Shuffled(shuffled) => shuffled.next(thread).map(by_turn),
            Turns::Assigned(assignment) => assignment.assign(variables, thread),
        }
    }
}

impl Rule {
    /// Whether its requests came by a condition or by the shares.
    #[must_use]
    pub fn lane(matches: Option<&[model::expr::Expr]>) -> Lane {
        if matches.is_some_and(|matches| !matches.is_empty()) { Lane::Matched } else { Lane::Share }
    }

    /// The choices that requests can come to: those with a weight, or all where none has one.
    pub fn reachable(&self) -> impl Iterator<Item = &Choice> {
        let all = self.choices.len() == 1 || self.choices.iter().all(|choice| choice.weight == 0);
        self.choices.iter().filter(move |choice| all || choice.weight > 0)
    }
}
