//! The part of FHIRPath that search parameters are written in, as syntax.
//!
//! R4's parameters use paths, unions, `as`, `ofType()`, `where()` with two kinds of condition, and one boolean expression.
//! Everything else is refused here, so that what follows need not think of it.

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    /// `.name`; at the start also a type name.
    Name(&'a str),
    /// `as X`, `.as(X)`, `.ofType(X)`.
    As(&'a str),
    /// `.where(name = 'literal')`.
    WhereEquals(&'a str, &'a str),
    /// `.where(resolve() is X)`.
    WhereRefersTo(&'a str),
}

/// A path, step by step; parentheses are gone.
pub(crate) type Chain<'a> = Vec<Node<'a>>;

/// A whole expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expression<'a> {
    /// `a | b | c`
    Union(Vec<Chain<'a>>),
    /// Terms joined by `and`: the result is one boolean.
    All(Vec<Condition<'a>>),
}

/// A term of a boolean expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Condition<'a> {
    /// `path.exists()`
    Exists(Chain<'a>),
    /// `path != true` or `path != false`
    IsNot(Chain<'a>, bool),
}

/// Parses an expression; what it cannot is named in the error.
pub(crate) fn parse(text: &str) -> Result<Expression<'_>, String> {
    let mut parser = Parser { rest: text };
    let expression = parser.expression()?;
    parser.skip_space();
    if parser.rest.is_empty() { Ok(expression) } else { Err(parser.unsupported()) }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn expression(&mut self) -> Result<Expression<'a>, String> {
        let first = self.chain()?;
        self.skip_space();
        if self.rest.starts_with("and ") || self.rest.starts_with("!=") || self.rest.starts_with(".exists()") {
            return self.conditions(first);
        }
        let mut branches = vec![first];
        while self.eat("|") {
            branches.push(self.chain()?);
        }
        Ok(Expression::Union(branches))
    }

    fn conditions(&mut self, first: Chain<'a>) -> Result<Expression<'a>, String> {
        let mut conditions = vec![self.condition(first)?];
        while self.eat("and ") {
            let chain = self.chain()?;
            conditions.push(self.condition(chain)?);
        }
        Ok(Expression::All(conditions))
    }

    fn condition(&mut self, chain: Chain<'a>) -> Result<Condition<'a>, String> {
        if self.eat(".exists()") {
            Ok(Condition::Exists(chain))
        } else if self.eat("!=") {
            match self.name()? {
                "true" => Ok(Condition::IsNot(chain, true)),
                "false" => Ok(Condition::IsNot(chain, false)),
                _ => Err(self.unsupported()),
            }
        } else {
            Err(self.unsupported())
        }
    }

    fn chain(&mut self) -> Result<Chain<'a>, String> {
        let mut chain = if self.eat("(") {
            let mut inner = self.chain()?;
            if self.eat("as ") {
                inner.push(Node::As(self.name()?));
            }
            self.expect(")")?;
            inner
        } else {
            vec![Node::Name(self.name()?)]
        };
        while self.rest.starts_with('.') && !self.rest.starts_with(".exists()") {
            self.expect(".")?;
            let name = self.name()?;
            chain.push(if self.eat("(") { self.function(name)? } else { Node::Name(name) });
        }
        Ok(chain)
    }

    fn function(&mut self, name: &str) -> Result<Node<'a>, String> {
        let node = match name {
            "as" | "ofType" => Node::As(self.name()?),
            "where" if self.eat("resolve() is ") => Node::WhereRefersTo(self.name()?),
            "where" => {
                let field = self.name()?;
                self.expect("=")?;
                self.expect("'")?;
                let (literal, rest) = self.rest.split_once('\'').ok_or_else(|| self.unsupported())?;
                self.rest = rest;
                Node::WhereEquals(field, literal)
            }
            _ => return Err(format!("the function {name}() is not supported")),
        };
        self.expect(")")?;
        Ok(node)
    }

    fn name(&mut self) -> Result<&'a str, String> {
        self.skip_space();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() {
            return Err(self.unsupported());
        }
        self.rest = rest;
        Ok(name)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.eat(token) { Ok(()) } else { Err(self.unsupported()) }
    }

    fn unsupported(&self) -> String {
        if self.rest.is_empty() {
            "its expression ends too early".into()
        } else {
            format!("its expression uses what is not supported, from \"{}\"", self.rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_parameters_are_written_in() {
        let union = parse("(Observation.value as CodeableConcept).text | a.where(system='x').b | c.where(resolve() is Patient)");
        assert_eq!(
            union.unwrap(),
            Expression::Union(vec![
                vec![Node::Name("Observation"), Node::Name("value"), Node::As("CodeableConcept"), Node::Name("text")],
                vec![Node::Name("a"), Node::WhereEquals("system", "x"), Node::Name("b")],
                vec![Node::Name("c"), Node::WhereRefersTo("Patient")],
            ])
        );
        let all = parse("Patient.deceased.exists() and Patient.deceased != false");
        let deceased = || vec![Node::Name("Patient"), Node::Name("deceased")];
        assert_eq!(all.unwrap(), Expression::All(vec![Condition::Exists(deceased()), Condition::IsNot(deceased(), false)]));
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["Bundle.entry[0].resource", "%resource.a", "a.first()", "a +", "(a as B", "a |", "", "a.where(b='c"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-cA(). |='!]{0,24}|\\PC{0,16}") {
            let _ = parse(&text);
        }
    }
}
