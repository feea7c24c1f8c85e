"""The command."""

import argparse
import json
import sys
import time
from pathlib import Path

from . import entry, source, tool
from .trouble import Trouble


def main(arguments: list[str] | None = None) -> int:
    """Builds; answers with the exit code: 0 built, 1 trouble with the bot, 3 trouble with the tools (2 is argparse's)."""
    parser = argparse.ArgumentParser(prog="python -m hob_sdk.componentize", description="Makes a component of a Python bot.")
    parser.add_argument("folder", metavar="DIR", nargs="?", default=".", type=Path, help="the bot's folder; here unless given")
    parser.add_argument("--out", metavar="FILE", required=True, type=Path, help="where the component goes")
    parser.add_argument("--module", metavar="NAME", default="bot", help="the module that has the handler; `bot` (bot.py) unless given")
    parser.add_argument("--json", action="store_true", help="say what was made, or what was wrong, as one JSON object on stdout")
    parser.add_argument("--check", action="store_true", help="look at the source only: syntax, handler, signature, imports that cannot be found")
    args = parser.parse_args(arguments)
    try:
        made = build(args.folder, args.out, args.module, check_only=args.check)
    except Trouble as trouble:
        if args.json:
            print(json.dumps({"error": trouble.as_json()}, ensure_ascii=False))
        else:
            print(trouble, file=sys.stderr)
        return 3 if trouble.code in ("py-toolchain", "py-contract", "py-componentize") else 1
    if args.json:
        print(json.dumps(made, ensure_ascii=False))
    elif args.check:
        print(f"{made['module']}: nothing wrong", file=sys.stderr)
    else:
        print(f"{made['component']}: {made['bytes'] / 1e6:.1f} MB, {made['handler']}, in {made['seconds']:.0f} s", file=sys.stderr)
    return 0


def build(folder: Path, out: Path, module: str, *, check_only: bool = False) -> dict[str, object]:
    """Builds the component of a bot's folder."""
    began = time.monotonic()
    root = folder.resolve()
    file = root.joinpath(*module.split(".")).with_suffix(".py")
    if not file.is_file():
        todo = f"name the bot's folder, with {file.name} in it, or its module with --module"
        raise Trouble("py-no-module", f"there is no {file.name}", str(folder), todo)
    handler = source.handler(source.parse(file, root), str(file.relative_to(root)))
    late = [one for path in own(root) for one in source.late_imports(source.parse(path, root), str(path.relative_to(root)))]
    named = {"module": module, "handler": f"{handler.file}:{handler.line} {handler.name}" if handler else module}
    if check_only:
        return named
    version = tool.installed()
    if version != tool.VERSION:
        print(f"warn: componentize-py {version}; tested is {tool.VERSION}", file=sys.stderr)
    tool.build(entry.NAME, entry.text(module, late), root, out.resolve())
    seconds = round(time.monotonic() - began, 1)
    return {"component": str(out), "bytes": out.stat().st_size, **named, "seconds": seconds, "componentize_py": version}


def own(root: Path) -> list[Path]:
    """The bot's modules: what can be imported from its folder, without tests and environments."""
    found = []
    for path in sorted(root.rglob("*.py")):
        folders = path.relative_to(root).parts[:-1]
        if all(part.isidentifier() and part not in ("tests", "build", "target", "node_modules") for part in folders):
            found.append(path)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
