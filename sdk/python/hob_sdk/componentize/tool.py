"""componentize-py: found, started, and understood where it fails."""

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
        todo = f"`{sys.executable} -m pip install componentize-py=={VERSION}`"
        raise Trouble("py-toolchain", "componentize-py is not installed", sys.prefix, todo) from None


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
    found = [line for line in lines if re.match(r"(AssertionError: )?[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Warning)\b", line)]
    return found[-1].removeprefix("AssertionError: ") if found else ""


def _place(told: str, root: Path) -> str:
    """The innermost line of the bot's own files that a traceback names. Inside, folders are called by numbers, and the bot's is the first."""
    frames = re.findall(r'File "/(\d+)/([^"]+)", line (\d+)', told)
    own = [(file, line) for _, file, line in frames if (root / file).is_file()]
    return f"{own[-1][0]}:{own[-1][1]}" if own else str(root)


def _unresolved(name: str, where: str) -> Trouble:
    top = name.split(".")[0]
    what = f"`import {name}` cannot be resolved in the sandbox"
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        todo = f"check the spelling; a package goes beside the bot or into this Python: `{sys.executable} -m pip install …`"
    elif spec.origin and spec.origin.endswith((".so", ".pyd")) or _has_machine_code(spec.submodule_search_locations):
        todo = f"{top} has parts compiled for this machine, which WebAssembly cannot run: use a package in Python alone"
    else:
        todo = f"{top} is here, but not in the sandbox's Python: it has no threads, sockets or processes; do it by the host (hob.http, hob.outbox)"
    return Trouble("py-import", what, where, todo)


def _has_machine_code(folders: object) -> bool:
    return any(next(Path(str(folder)).rglob("*.so"), None) is not None for folder in folders or [])  # type: ignore[attr-defined]
