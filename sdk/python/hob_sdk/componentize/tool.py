"""componentize-py: found, started, and understood where it fails."""

import importlib.machinery
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from .trouble import Trouble

#: What the tests run with, and what pyproject.toml's extra `build` installs.
VERSION = "0.25.1"


def installed() -> str:
    """The version of componentize-py here."""
    try:
        return importlib.metadata.version("componentize-py")
    except importlib.metadata.PackageNotFoundError:
        raise Trouble("py-toolchain", "componentize-py is not installed", sys.prefix, _install()) from None


def _install() -> str:
    """How this SDK and what it builds with get into the Python of a project: its virtual environment, never the system's."""
    sdk = Path(__file__).resolve().parent.parent.parent
    pip = f'pip install -e "{os.path.relpath(sdk)}[build,test]"'
    if sys.prefix != sys.base_prefix:
        return f"`{sys.executable} -m {pip}`"
    return f"`python3 -m venv .venv && .venv/bin/{pip}`, in the bot's folder"


def contract() -> Path:
    """The folder of the contract: with an installed copy beside it, from a checkout in `sdk/wit`."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "wit", package.parent.parent / "wit"):
        if (folder / "bot.wit").is_file():
            return folder
    raise Trouble("py-contract", "sdk/wit is not there", str(package), "use hob_sdk from a checkout of Hob, or install it with pip from there")


def build(entry: str, text: str, root: Path, out: Path) -> None:
    """Makes the component."""
    with tempfile.TemporaryDirectory(prefix="hob-componentize-") as folder:
        Path(folder, f"{entry}.py").write_text(text, encoding="utf-8")
        made = Path(folder, "component.wasm")
        sdk = Path(__file__).resolve().parent.parent.parent
        command = [sys.executable, "-c", "from componentize_py import script; raise SystemExit(script())", "-q"]
        command += ["-d", str(contract()), "-w", "bot", "componentize", entry]
        command += ["-p", str(root), "-p", str(sdk), "-p", folder, "-o", str(made)]
        # The packages of the Python that runs this, whatever shell it was started from. What a folder has must not be run by a tool.
        environment = {**os.environ, "VIRTUAL_ENV": sys.prefix, "PYTHONHASHSEED": "0", "RUST_BACKTRACE": "0", "PYTHONSAFEPATH": "1"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0 or not made.is_file():
            raise understood(done.stdout, root)
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_name(out.name + ".part")
        part.write_bytes(made.read_bytes())
        part.replace(out)


def understood(said: str, root: Path) -> Trouble:
    """What componentize-py's output means for the author."""
    told = said.split("Stack backtrace:")[0]
    last = _last_error(told)
    where = _place(told, root)
    late = re.search(r"^(?:AssertionError: )?ImportError: hob-late (\S+): (.*)", told, re.MULTILINE)
    if late:
        where, last = late.group(1), late.group(2)
    missing = re.search(r"No module named '([^']+)'", last)
    if missing:
        return _unresolved(missing.group(1), where)
    package = _package(told)
    if package is not None and _is_compiled(package):
        return _compiled(package, where)
    if "cannot import name" in last:
        return Trouble("py-import", last, where, "look for that name in the version of the module that is installed here")
    if last.startswith("TypeError") and "@bot" in last:
        return Trouble("py-handler", last.removeprefix("TypeError: "), where, "mark one function `def handle(event, hob)` with @bot")
    if last.startswith("TypeError") and "`def " in last:
        return Trouble("py-signature", last.removeprefix("TypeError: "), where, "mend the function that is given to bot")
    if last:
        todo = "the module fails while it is imported, in the sandbox's Python, which has no files, network or environment: do that in the handler, by the host"
        return Trouble("py-import-failed", last, where, todo)
    return Trouble("py-componentize", "componentize-py failed", str(root), "its own words: " + " ".join(told.split())[:2_000])


def _last_error(told: str) -> str:
    """The line of a traceback that names the exception."""
    lines = [line.strip() for line in told.split("Caused by:")[0].splitlines()]
    named = re.compile(r"(AssertionError: )?(?!AssertionError: Trace)[A-Za-z_][\w.]*([Ee]rror|Exception|Exit|Interrupt|Warning)\b")
    found = [line for line in lines if named.match(line)]
    if not found:
        return ""
    said = found[-1].removeprefix("AssertionError: ")
    if not said.endswith(":"):
        return said
    # Some begin their words on a line of their own.
    after = lines[lines.index(found[-1]) + 1 :]
    return f"{said} {next((line for line in after if line), '')}".strip()


def _place(told: str, root: Path) -> str:
    """The innermost line of the bot's own files that a traceback names. Inside, folders are called by numbers, and the bot's is the first."""
    frames = re.findall(r'File "/(\d+)/([^"]+)", line (\d+)', told)
    own = [(file, line) for _, file, line in frames if (root / file).is_file()]
    return f"{own[-1][0]}:{own[-1][1]}" if own else str(root)


def _package(told: str) -> str | None:
    """The package in whose files the last traceback ends. Inside, the bot's folder is 0, the SDK's 1, the entry's 2, and packages are behind."""
    frames = re.findall(r'File "/(\d+)/([^/"]+)', told)
    return frames[-1][1] if frames and int(frames[-1][0]) > 2 else None


def _unresolved(name: str, where: str) -> Trouble:
    top = name.split(".")[0]
    what = f"`import {name}` cannot be resolved in the sandbox"
    if _is_compiled(top):
        return _compiled(top, where)
    if _found(top) is None:
        todo = f"check the spelling; a package in Python alone (not numpy, pandas and others with machine code) goes beside the bot, or into this Python: `{sys.executable} -m pip install {top}`"
    else:
        todo = f"{top} is here, but not in the sandbox's Python: it has no threads, sockets or processes; do it by the host (hob.http, hob.outbox)"
    return Trouble("py-import", what, where, todo)


def _compiled(package: str, where: str) -> Trouble:
    what = f"`import {package}` cannot work: {package} has parts compiled for this machine, which WebAssembly does not run"
    return Trouble("py-import", what, where, "use a package in Python alone, or do it in Python: `statistics` and `math` are there")


def _found(top: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None


def _is_compiled(top: str) -> bool:
    """Whether a package has machine code. Python's own modules have too, and another in the sandbox."""
    spec = None if top in sys.stdlib_module_names else _found(top)
    if spec is None:
        return False
    folders = spec.submodule_search_locations or []
    inside = any(next(Path(folder).rglob(f"*{end}"), None) is not None for folder in folders for end in (".so", ".pyd"))
    return inside or (spec.origin or "").endswith((".so", ".pyd"))
