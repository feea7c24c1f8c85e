// What can be wrong with a build: each says what, where, and what to do, for people and, with --json, for programs.

/** One thing that is wrong. `code` is stable. */
export class BuildError extends Error {
  /**
   * @param {string} code
   * @param {string} message what was wrong
   * @param {{ help?: string, file?: string, line?: number, column?: number }} [more] what to do, and where it is
   */
  constructor(code, message, more = {}) {
    super(message);
    this.code = code;
    this.help = more.help;
    this.file = more.file;
    this.line = more.line;
    this.column = more.column;
  }

  toJSON() {
    const { code, message, file, line, column, help } = this;
    return { code, message, file, line, column, help };
  }

  toString() {
    const where = [this.file, this.line, this.column].filter((part) => part !== undefined).join(":");
    const lines = [`error[${this.code}]: ${this.message}`];
    if (where) lines.push(`  at ${where}`);
    if (this.help) lines.push(`  help: ${this.help}`);
    return lines.join("\n");
  }
}

/** Several at once, such as a compiler's. */
export class BuildErrors extends Error {
  /** @param {BuildError[]} errors */
  constructor(errors) {
    super(`${errors.length} errors`);
    this.errors = errors;
  }
}
