//! How much of R4 can be judged: a test counts all parameters and pins the list of those that cannot.

use std::collections::BTreeMap;

use crate::definitions;
use crate::element::ElementType;
use crate::judge::{Refusal, source};

#[test]
fn which_parameters_cannot_be_judged() {
    let (mut judgeable, mut refused) = (0, BTreeMap::<String, Vec<String>>::new());
    for type_name in definitions::resource_types() {
        for code in definitions::parameter_codes(type_name) {
            let definition = definitions::parameter(type_name, code).unwrap();
            match source(type_name, definition) {
                Ok(_) => judgeable += 1,
                Err(Refusal::NotJudgeable(why)) => {
                    // What all types inherit is listed once.
                    let of = if code.starts_with('_') { "*" } else { type_name };
                    let names = refused.entry(why).or_default();
                    let name = format!("{of}.{code}");
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                Err(Refusal::Bad(why)) => panic!("{type_name}.{code}: {why}"),
            }
        }
    }
    insta::assert_json_snapshot!(serde_json::json!({ "judgeable": judgeable, "refused": refused }));
}

#[test]
fn which_codes_have_no_implicit_system() {
    let mut without = Vec::new();
    for type_name in definitions::resource_types() {
        for code in definitions::parameter_codes(type_name).filter(|code| !code.starts_with('_')) {
            let source = definitions::parameter(type_name, code).and_then(|definition| source(type_name, definition).ok());
            if source.is_some_and(|source| source.leaves().any(|leaf| *leaf == ElementType::Code([].into()))) {
                without.push(format!("{type_name}.{code}"));
            }
        }
    }
    insta::assert_json_snapshot!(without);
}
