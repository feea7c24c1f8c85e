//! Bounds on one evaluation: CPU time, and how many values it makes.
//!
//! The engine evaluates to the end, whatever that takes, and `(1 | 2).combine(…)` nested often enough takes all memory there is. But whatever grows or
//! repeats goes through a function or an operator, and those are in registries that take others' implementations: so each of them is put into a wrapper
//! that looks at the bounds first and counts what came out. Between two looks lies one function on one collection of at most [`LARGEST`] values.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use octofhir_fhirpath::core::error_code::FP0054;
use octofhir_fhirpath::evaluator::function_registry::{
    FunctionEvaluatorWrapper, LazyFunctionEvaluator, ProviderPureFunctionEvaluator, PureFunctionEvaluator,
};
use octofhir_fhirpath::evaluator::{
    AsyncNodeEvaluator, EvaluationContext, EvaluationResult, FunctionMetadata, FunctionRegistry, OperationEvaluator,
    OperatorMetadata, OperatorRegistry, create_standard_operator_registry,
};
use octofhir_fhirpath::{Collection, ExpressionNode, FhirPathError, FhirPathValue, Result, create_function_registry};

use crate::budget::{cpu_until, thread_cpu};

/// Values in one collection, a string counted once for each [`PIECE`] of it.
const LARGEST: usize = 100_000;
/// Values that one evaluation makes.
const ALL: usize = 500_000;
/// Bytes of a string that count as a value.
const PIECE: usize = 64;

/// What an evaluation went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// CPU time.
    Cpu,
    /// Values.
    Values,
}

/// What is left to the evaluation on this thread.
#[derive(Clone, Copy)]
struct Left {
    /// By the thread's CPU clock, in nanoseconds.
    until: u64,
    values: usize,
    over: Option<Over>,
}

thread_local! {
    static LEFT: Cell<Option<Left>> = const { Cell::new(None) };
}

/// Ends the bounds, also where the work panics.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        LEFT.set(None);
    }
}

/// Does `work`, evaluations on this thread, within bounds; says which one it went over.
pub(super) fn bounded<T>(most: Duration, work: impl FnOnce() -> T) -> (T, Option<Over>) {
    LEFT.set(Some(Left { until: cpu_until(most), values: ALL, over: None }));
    let _end = End;
    let done = work();
    (done, LEFT.get().and_then(|left| left.over))
}

/// Refuses to go on over a bound.
fn look() -> Result<()> {
    let Some(mut left) = LEFT.get() else { return Ok(()) };
    if left.over.is_none() && thread_cpu() > left.until {
        left.over = Some(Over::Cpu);
        LEFT.set(Some(left));
    }
    if left.over.is_some() { Err(stopped()) } else { Ok(()) }
}

/// Counts what came out.
fn count(out: Result<EvaluationResult>) -> Result<EvaluationResult> {
    let out = out?;
    let values = weight(&out.value);
    if let Some(mut left) = LEFT.get() {
        left.values = left.values.saturating_sub(values);
        if values > LARGEST || left.values == 0 {
            left.over = Some(Over::Values);
        }
        LEFT.set(Some(left));
        if left.over.is_some() {
            return Err(stopped());
        }
    }
    Ok(out)
}

/// Refuses a call whose answer may be as long as its input times its arguments.
fn look_at(name: &str, input: &Collection, args: &[Collection]) -> Result<()> {
    look()?;
    if !matches!(name, "replace" | "replaceMatches" | "join") {
        return Ok(());
    }
    let longest = args.iter().map(weight).max().unwrap_or(1);
    if weight(input).saturating_mul(longest).saturating_mul(PIECE) <= LARGEST {
        return Ok(());
    }
    if let Some(left) = LEFT.get() {
        LEFT.set(Some(Left { over: Some(Over::Values), ..left }));
    }
    Err(stopped())
}

fn weight(collection: &Collection) -> usize {
    let of = |value: &FhirPathValue| match value {
        FhirPathValue::String(text, ..) => 1 + text.len() / PIECE,
        FhirPathValue::Collection(inner) => inner.len(),
        _ => 1,
    };
    collection.iter().map(of).sum()
}

fn stopped() -> FhirPathError {
    FhirPathError::evaluation_error(FP0054, "over a bound")
}

/// All functions, within the bounds.
pub(super) fn functions() -> FunctionRegistry {
    let all = create_function_registry();
    let mut guarded = FunctionRegistry::new();
    for name in all.list_functions() {
        match all.get_function_wrapper(name) {
            Some(FunctionEvaluatorWrapper::Pure(inner)) => guarded.register_pure_function(Arc::new(Pure(Arc::clone(inner)))),
            Some(FunctionEvaluatorWrapper::ProviderPure(inner)) => {
                guarded.register_provider_pure_function(Arc::new(Provided(Arc::clone(inner))));
            }
            Some(FunctionEvaluatorWrapper::Lazy(inner)) => guarded.register_lazy_function(Arc::new(Lazy(Arc::clone(inner)))),
            // There is none today; one that comes is not there before it has a wrapper.
            Some(FunctionEvaluatorWrapper::Standard(_)) | None => {}
        }
    }
    guarded
}

/// All operators, within the bounds.
pub(super) fn operators() -> OperatorRegistry {
    let all = create_standard_operator_registry();
    let mut guarded = OperatorRegistry::new();
    for operator in all.list_binary_operators() {
        if let Some(inner) = all.get_binary_operator(operator) {
            guarded.register_binary_operator(*operator, Arc::new(Operator(Arc::clone(inner))));
        }
    }
    for operator in all.list_unary_operators() {
        if let Some(inner) = all.get_unary_operator(operator) {
            guarded.register_unary_operator(*operator, Arc::new(Operator(Arc::clone(inner))));
        }
    }
    guarded
}

struct Pure(Arc<dyn PureFunctionEvaluator>);

#[async_trait]
impl PureFunctionEvaluator for Pure {
    fn prepare(&self, args: &[Collection]) -> Option<Arc<dyn PureFunctionEvaluator>> {
        self.0.prepare(args).map(|inner| Arc::new(Self(inner)) as _)
    }

    fn supports_sync(&self) -> bool {
        self.0.supports_sync()
    }

    fn evaluate_sync(&self, input: Collection, args: Vec<Collection>) -> Result<EvaluationResult> {
        look_at(&self.metadata().name, &input, &args)?;
        count(self.0.evaluate_sync(input, args))
    }

    fn evaluate_sync_borrowed(&self, input: Collection, args: &[Collection]) -> Result<EvaluationResult> {
        look_at(&self.metadata().name, &input, args)?;
        count(self.0.evaluate_sync_borrowed(input, args))
    }

    async fn evaluate(&self, input: Collection, args: Vec<Collection>) -> Result<EvaluationResult> {
        look_at(&self.metadata().name, &input, &args)?;
        count(self.0.evaluate(input, args).await)
    }

    fn metadata(&self) -> &FunctionMetadata {
        self.0.metadata()
    }
}

struct Provided(Arc<dyn ProviderPureFunctionEvaluator>);

#[async_trait]
impl ProviderPureFunctionEvaluator for Provided {
    async fn evaluate(&self, input: Collection, args: Vec<Collection>, context: &EvaluationContext) -> Result<EvaluationResult> {
        look_at(&self.metadata().name, &input, &args)?;
        count(self.0.evaluate(input, args, context).await)
    }

    fn metadata(&self) -> &FunctionMetadata {
        self.0.metadata()
    }
}

struct Lazy(Arc<dyn LazyFunctionEvaluator>);

#[async_trait]
impl LazyFunctionEvaluator for Lazy {
    fn prepare_no_args(&self) -> Option<Arc<dyn PureFunctionEvaluator>> {
        self.0.prepare_no_args().map(|inner| Arc::new(Pure(inner)) as _)
    }

    async fn evaluate_borrowed(
        &self,
        input: Collection,
        context: &EvaluationContext,
        args: &[ExpressionNode],
        evaluator: AsyncNodeEvaluator<'_>,
    ) -> Result<EvaluationResult> {
        look()?;
        count(self.0.evaluate_borrowed(input, context, args, evaluator).await)
    }

    async fn evaluate(
        &self,
        input: Collection,
        context: &EvaluationContext,
        args: Vec<ExpressionNode>,
        evaluator: AsyncNodeEvaluator<'_>,
    ) -> Result<EvaluationResult> {
        look()?;
        count(self.0.evaluate(input, context, args, evaluator).await)
    }

    fn metadata(&self) -> &FunctionMetadata {
        self.0.metadata()
    }
}

struct Operator(Arc<dyn OperationEvaluator>);

#[async_trait]
impl OperationEvaluator for Operator {
    fn supports_sync(&self) -> bool {
        self.0.supports_sync()
    }

    fn evaluate_sync(
        &self,
        input: Collection,
        context: &EvaluationContext,
        left: Collection,
        right: Collection,
    ) -> Result<EvaluationResult> {
        look()?;
        count(self.0.evaluate_sync(input, context, left, right))
    }

    async fn evaluate(
        &self,
        input: Collection,
        context: &EvaluationContext,
        left: Collection,
        right: Collection,
    ) -> Result<EvaluationResult> {
        look()?;
        count(self.0.evaluate(input, context, left, right).await)
    }

    fn metadata(&self) -> &OperatorMetadata {
        self.0.metadata()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_a_wrapper() {
        let (all, guarded) = (create_function_registry(), functions());
        assert!(all.list_functions().len() > 50);
        let sorted = |registry: &FunctionRegistry| {
            let mut names: Vec<String> = registry.list_functions().into_iter().cloned().collect();
            names.sort_unstable();
            names
        };
        assert_eq!(sorted(&all), sorted(&guarded));
        assert_eq!(create_standard_operator_registry().list_binary_operators().len(), operators().list_binary_operators().len());
    }
}
