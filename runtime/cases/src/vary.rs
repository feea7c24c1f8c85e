//! Makes the variations of a property from a seed.

use std::fmt;

use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};

/// Texts that are none of what an element may be.
const ODD: [&str; 6] = ["", " ", "9999-99-99", "\u{202e}\u{0}é", "Patient/", "http://"];

/// One change of one element.
#[derive(Debug, Clone, PartialEq)]
pub struct Mutation {
    /// A JSON pointer.
    pub pointer: String,
    /// What stands there instead; none where the element is taken out.
    pub value: Option<Value>,
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => write!(f, "{} is missing", self.pointer),
            Some(value) => {
                let text: String = value.to_string().chars().take(40).collect();
                write!(f, "{} is {text}", self.pointer)
            }
        }
    }
}

impl Mutation {
    /// Changes the element where it is there.
    pub fn apply(&self, resource: &mut Value) {
        if let Some(value) = &self.value {
            if let Some(place) = resource.pointer_mut(&self.pointer) {
                *place = value.clone();
            }
            return;
        }
        let Some((parent, key)) = self.pointer.rsplit_once('/') else { return };
        let key = key.replace("~1", "/").replace("~0", "~");
        match resource.pointer_mut(parent) {
            Some(Value::Object(members)) => {
                members.shift_remove(&key);
            }
            Some(Value::Array(items)) => {
                if let Some(at) = key.parse::<usize>().ok().filter(|at| *at < items.len()) {
                    items.remove(at);
                }
            }
            _ => {}
        }
    }
}

/// The resources in another order; those of one reference keep theirs.
#[must_use]
pub fn shuffled(given: &[Value], seed: u64) -> Vec<Value> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let key = |resource: &Value| (resource["resourceType"].clone(), resource["id"].clone());
    let mut places: Vec<usize> = (0..given.len()).collect();
    places.shuffle(&mut rng);
    // Each resource's versions, in their order, take the places that the shuffle gave to any of them.
    let mut out: Vec<Value> = Vec::with_capacity(given.len());
    let mut taken = vec![false; given.len()];
    for place in places {
        let next = (0..given.len()).find(|at| !taken[*at] && key(&given[*at]) == key(&given[place])).unwrap_or(place);
        taken[next] = true;
        out.push(given[next].clone());
    }
    out
}

/// One to three changes of elements. What a resource is (type, id, meta) stays.
#[must_use]
pub fn mutations(resource: &Value, seed: u64) -> Vec<Mutation> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let mut pointers = Vec::new();
    collect(resource, "", &mut pointers);
    pointers.retain(|(pointer, _)| !["/resourceType", "/id", "/meta"].iter().any(|fixed| pointer.starts_with(fixed)));
    let count = rng.random_range(1..=3_usize).min(pointers.len());
    let chosen: Vec<&(String, &Value)> = pointers.sample(&mut rng, count).collect();
    chosen.into_iter().map(|(pointer, value)| Mutation { pointer: pointer.clone(), value: other(value, &mut rng) }).collect()
}

fn collect<'a>(value: &'a Value, at: &str, found: &mut Vec<(String, &'a Value)>) {
    let mut child = |key: String, value: &'a Value| {
        let pointer = format!("{at}/{key}");
        found.push((pointer.clone(), value));
        collect(value, &pointer, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| child(key.replace('~', "~0").replace('/', "~1"), value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| child(at.to_string(), value)),
        _ => {}
    }
}

fn other(value: &Value, rng: &mut ChaCha12Rng) -> Option<Value> {
    let odd = |rng: &mut ChaCha12Rng| json!(ODD.choose(rng).copied().unwrap_or_default());
    match rng.random_range(0..4) {
        0 | 1 => None,
        // Of another type.
        2 => Some(match value {
            Value::String(_) => json!({ "text": "an object" }),
            Value::Number(_) => odd(rng),
            Value::Array(_) => json!(true),
            _ => json!([]),
        }),
        // Of the same type.
        _ => Some(match value {
            Value::String(text) if rng.random_bool(0.2) => json!(text.repeat(200)),
            Value::Number(_) => {
                [json!(-1), json!(0), json!(1e300), json!(9_007_199_254_740_993_i64)].choose(rng).cloned().unwrap_or_default()
            }
            Value::Bool(on) => json!(!on),
            Value::Array(items) => json!(items.iter().chain(items).chain(items).collect::<Vec<_>>()),
            Value::Object(_) => json!({}),
            _ => odd(rng),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn task() -> Value {
        json!({ "resourceType": "Task", "id": "a", "status": "ready", "note": [{ "text": "x" }, { "text": "y" }], "a/b": { "c~d": 1 }, "for": { "reference": "Patient/p" } })
    }

    proptest! {
        #[test]
        fn a_seed_gives_the_same_changes_and_leaves_what_it_is(seed: u64) {
            let all = mutations(&task(), seed);
            prop_assert_eq!(&all, &mutations(&task(), seed));
            prop_assert!((1..=3).contains(&all.len()));
            let mut changed = task();
            all.iter().for_each(|one| one.apply(&mut changed));
            prop_assert_eq!(&changed["resourceType"], "Task");
            prop_assert_eq!(&changed["id"], "a");
            prop_assert_ne!(changed, task());
        }

        #[test]
        fn versions_of_one_resource_keep_their_order(seed: u64, ids in proptest::collection::vec(0_u8..4, 0..12)) {
            let given: Vec<Value> = ids.iter().enumerate().map(|(at, id)| json!({ "resourceType": "Task", "id": id.to_string(), "n": at })).collect();
            let other = shuffled(&given, seed);
            prop_assert_eq!(other.len(), given.len());
            for id in 0_u8..4 {
                let id = Value::from(id.to_string());
                let of = |list: &[Value]| list.iter().filter(|one| one["id"] == id).cloned().collect::<Vec<_>>();
                prop_assert_eq!(of(&other), of(&given));
            }
        }
    }
}
