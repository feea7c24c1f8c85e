"""What a bot's source says without being run: its syntax, its handler, and what it imports late."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .trouble import Trouble

_EXAMPLE = "from hob_sdk import Event, Host, bot\n\n    @bot\n    def handle(event: Event, hob: Host) -> None: ..."


@dataclass(frozen=True)
class Late:
    """An import inside a function: the sandbox has no files, so it is made at the build."""

    module: str
    where: str
    #: It stands in a `try` that catches ImportError.
    optional: bool


@dataclass(frozen=True)
class Handler:
    name: str
    file: str
    line: int


def parse(file: Path, root: Path) -> ast.Module:
    """A module of the bot."""
    shown = file.relative_to(root)
    try:
        return ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        where = f"{shown}:{error.lineno or 1}:{error.offset or 1}"
        raise Trouble("py-syntax", f"{type(error).__name__}: {error.msg}", where, "mend that line") from None
    except ValueError as error:
        raise Trouble("py-syntax", str(error), str(shown), "save the file as UTF-8 text") from None


def handler(module: ast.Module, file: str) -> Handler | None:
    """The function marked with @bot; none where it is marked in a way that only running tells.

    Raises `Trouble` where there is none, more than one, or one that cannot be called with an event and a host.
    """
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    marked = [one for one in functions if any(_is_bot(mark) for mark in one.decorator_list)]
    if not marked:
        if any(isinstance(node, ast.Call) and _is_bot(node.func) for node in ast.walk(module)):
            return None
        raise _unmarked(functions, file)
    if len(marked) > 1:
        names = " and ".join(one.name for one in marked)
        todo = "keep @bot on one; a bot that runs on several triggers looks at event.trigger"
        raise Trouble("py-handler", f"{names} are both marked with @bot", f"{file}:{marked[1].lineno}", todo)
    one = marked[0]
    where = f"{file}:{one.lineno}"
    write = f"write `def {one.name}(event, hob)`"
    if isinstance(one, ast.AsyncFunctionDef):
        raise Trouble("py-signature", f"{one.name} is `async`", where, f"{write}: the host's calls answer at once")
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _own(one)):
        raise Trouble("py-signature", f"{one.name} has `yield`", where, f"{write} and return None, Done or Reply")
    if not _takes_two(one.args):
        taken = f"{one.name}({ast.unparse(one.args)})"
        raise Trouble("py-signature", f"{taken} does not take an event and a host", where, write)
    return Handler(one.name, file, one.lineno)


def _unmarked(functions: "list[ast.FunctionDef | ast.AsyncFunctionDef]", file: str) -> Trouble:
    likely = next((one for one in functions if one.name in ("handle", "handler", "main", "bot")), None)
    if likely is not None:
        todo = f"put @bot above it, and `from hob_sdk import bot` at the top of {file}"
        return Trouble("py-handler", f"{likely.name} is not marked as the bot", f"{file}:{likely.lineno}", todo)
    return Trouble("py-handler", "no function is marked with @bot", file, f"write\n\n    {_EXAMPLE}\n")


def _is_bot(mark: ast.expr) -> bool:
    return (isinstance(mark, ast.Name) and mark.id == "bot") or (
        isinstance(mark, ast.Attribute) and mark.attr == "bot" and isinstance(mark.value, ast.Name) and mark.value.id == "hob_sdk"
    )


def _takes_two(args: ast.arguments) -> bool:
    places = len(args.posonlyargs) + len(args.args)
    needed = places - len(args.defaults)
    named = any(default is None for default in args.kw_defaults)
    return needed <= 2 and (places >= 2 or args.vararg is not None) and not named


def _own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions in it."""
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            todo.extend(ast.iter_child_nodes(node))


def late_imports(module: ast.Module, file: str) -> list[Late]:
    """Imports that are made only when a function is called."""
    found: list[Late] = []

    def visit(node: ast.AST, in_function: bool, optional: bool) -> None:
        if isinstance(node, ast.Import) and in_function:
            found.extend(Late(alias.name, f"{file}:{node.lineno}", optional) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and in_function and node.level == 0 and node.module:
            where = f"{file}:{node.lineno}"
            found.append(Late(node.module, where, optional))
            # A name may be a module of a package, or just a name in it.
            found.extend(Late(f"{node.module}.{alias.name}", where, True) for alias in node.names if alias.name != "*")
        inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        guarded = set(map(id, node.body)) if isinstance(node, ast.Try) and any(map(_catches, node.handlers)) else set()
        for child in ast.iter_child_nodes(node):
            visit(child, inside, optional or id(child) in guarded)

    visit(module, False, False)
    return found


def _catches(handler: ast.ExceptHandler) -> bool:
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else {"Exception"}
    return bool(names & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
