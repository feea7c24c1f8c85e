declare module "promise-polyfill" {
  /** What it has beside the language's. */
  const it: PromiseConstructor & {
    _immediateFn: (job: () => void) => void;
    _unhandledRejectionFn: (error: unknown) => void;
  };
  export default it;
}
