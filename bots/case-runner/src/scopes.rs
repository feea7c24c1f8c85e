//! The manifest's scopes, held to and counted.

use std::cell::RefCell;
use std::collections::BTreeSet;

use hob_model::{Manifest, Scope};
use hob_search::Criteria;
use serde_json::Value;

/// A manifest's scopes, and which letters of them were needed.
pub(crate) struct Scopes {
    all: Vec<(Scope, Option<Criteria>)>,
    used: RefCell<BTreeSet<(usize, char)>>,
}

impl Scopes {
    pub(crate) fn compile(manifest: &Manifest) -> Result<Self, String> {
        let compile = |scope: &Scope| {
            let kind = scope.resource_type.as_ref().ok_or("a shipped bot names the types of its scopes")?;
            let criteria = scope.search.as_ref().map(|search| Criteria::parse(&format!("{kind}?{search}")));
            Ok::<_, String>((scope.clone(), criteria.transpose().map_err(|why| why.to_string())?))
        };
        let all = manifest.scopes.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { all, used: RefCell::default() })
    }

    /// Whether one scope gives this letter for the type and, where there is content, for that.
    pub(crate) fn allow(&self, kind: &str, letter: char, content: Option<&Value>) -> bool {
        let mut allowed = false;
        for (at, (scope, criteria)) in self.all.iter().enumerate() {
            let of_type = scope.resource_type.as_ref().is_some_and(|scoped| scoped.as_str() == kind);
            let fits = criteria.as_ref().zip(content).is_none_or(|(criteria, content)| criteria.matches(content));
            if of_type && letters(scope).contains(letter) && fits {
                self.used.borrow_mut().insert((at, letter));
                allowed = true;
            }
        }
        allowed
    }

    /// Scopes, or letters of them, that nothing needed.
    pub(crate) fn unused(&self) -> Option<String> {
        let used = self.used.borrow();
        let unused = self.all.iter().enumerate().flat_map(|(at, (scope, _))| {
            let left: String = letters(scope).chars().filter(|letter| !used.contains(&(at, *letter))).collect();
            (!left.is_empty()).then(|| format!("{left} of {scope}"))
        });
        let unused: Vec<String> = unused.collect();
        (!unused.is_empty()).then(|| unused.join(", "))
    }
}

fn letters(scope: &Scope) -> String {
    let it = scope.interactions;
    let letters = [(it.create, 'c'), (it.read, 'r'), (it.update, 'u'), (it.delete, 'd'), (it.search, 's')];
    letters.into_iter().filter_map(|(on, letter)| on.then_some(letter)).collect()
}
