"""What is found before componentize-py is started, and what its words are understood as."""

import json
from pathlib import Path

import pytest

from hob_sdk.componentize import source, tool
from hob_sdk.componentize.__main__ import main
from hob_sdk.componentize.trouble import Trouble

GOOD = "from hob_sdk import bot\n\n@bot\ndef handle(event, hob):\n    pass\n"


def trouble(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    (folder / "bot.py").write_text(text)
    code = main([str(folder), "--out", str(folder / "out.wasm"), "--json", "--check"])
    return code, json.loads(capsys.readouterr().out).get("error")


@pytest.mark.parametrize(
    ("text", "code", "at", "says"),
    [
        (GOOD.replace("hob)", "hob"), "py-syntax", "bot.py:4:11", "never closed"),
        (GOOD.replace("@bot\n", ""), "py-handler", "bot.py:3", "handle is not marked"),
        ("x = 1\n", "py-handler", "bot.py", "no function is marked"),
        (GOOD + "\n@bot\ndef other(event, hob): ...\n", "py-handler", "bot.py:8", "handle and other"),
        (GOOD.replace("def", "async def"), "py-signature", "bot.py:4", "async"),
        (GOOD.replace("pass", "yield"), "py-signature", "bot.py:4", "yield"),
        (GOOD.replace("event, hob", "event"), "py-signature", "bot.py:4", "handle(event)"),
        (GOOD.replace("event, hob", "event, hob, more"), "py-signature", "bot.py:4", "more"),
        (GOOD.replace("event, hob", "event, hob, *, more"), "py-signature", "bot.py:4", "more"),
    ],
)
def test_beginners_errors_name_line_and_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, code: str, at: str, says: str
) -> None:
    exit_code, error = trouble(tmp_path, text, capsys)
    assert (exit_code, error["code"], error["at"]) == (1, code, at)
    assert says in error["message"]
    assert error["help"]


def test_handlers_that_are_right_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in (GOOD, GOOD.replace("hob)", "hob, more=1)"), GOOD.replace("event, hob", "*all"), "from hob_sdk import bot\nbot(print)\n"):
        assert trouble(tmp_path, text, capsys) == (0, None)


def test_no_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--out", "x.wasm"]) == 1
    assert "there is no bot.py" in capsys.readouterr().err


def test_late_imports_are_found() -> None:
    text = "import a\ndef f():\n    import b.c\n    try:\n        from d import e\n    except ImportError:\n        import g\n"
    import ast

    found = [(one.module, one.where, one.optional) for one in source.late_imports(ast.parse(text), "bot.py")]
    assert found == [("b.c", "bot.py:3", False), ("d", "bot.py:5", True), ("d.e", "bot.py:5", True), ("g", "bot.py:7", False)]


@pytest.mark.parametrize(
    ("said", "code", "at"),
    [
        ('File "/0/bot.py", line 1, in <module>\nModuleNotFoundError: No module named \'requestz\'\n', "py-import", "bot.py:1"),
        ("ImportError: hob-late bot.py:3: No module named 'requestz'\n", "py-import", "bot.py:3"),
        ("ImportError: cannot import name 'Evnt' from 'hob_sdk' (/1/x.py)\n", "py-import", "."),
        ('File "/0/bot.py", line 2, in <module>\nFileNotFoundError: [Errno 44] gone\n', "py-import-failed", "bot.py:2"),
        ("TypeError: bot must mark one function with @bot; it marks none\n", "py-handler", "."),
        ('File "/0/bot.py", line 3, in <module>\n  File "/3/x.py", line 1, in <module>\nsocket.gaierror: [Errno 6] no\n', "py-import-failed", "bot.py:3"),
        ("Segmentation fault", "py-componentize", "."),
    ],
)
def test_the_tools_words_are_understood(tmp_path: Path, said: str, code: str, at: str) -> None:
    (tmp_path / "bot.py").write_text(GOOD)
    found = tool.understood(f"Traceback (most recent call last):\n{said}\n\nCaused by:\n    x\n\nStack backtrace:\n  File", tmp_path)
    assert isinstance(found, Trouble)
    assert (found.code, found.where) == (code, str(tmp_path) if at == "." else at)
    assert found.todo


def test_a_package_with_machine_code_is_named_whatever_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bot.py").write_text(GOOD)
    package = tmp_path / "packages" / "fastsums"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "_sums.cpython-311-x86_64-linux-gnu.so").write_bytes(b"")
    monkeypatch.syspath_prepend(str(package.parent))
    frames = 'File "/0/bot.py", line 1, in <module>\n    import fastsums\n  File "/3/fastsums/__init__.py", line 9, in <module>\n    raise ImportError(text)\n'
    for said in (frames + "ImportError: \n\nREAD THIS\n", frames + "ModuleNotFoundError: No module named 'fastsums._sums'\n"):
        found = tool.understood(f"Traceback (most recent call last):\n  {said}", tmp_path)
        assert (found.code, found.where) == ("py-import", "bot.py:1")
        assert "`import fastsums` cannot work" in found.what and "in Python alone" in found.todo


def test_what_is_not_installed_is_said_with_the_same_way_to_get_it_as_the_docs_have(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise tool.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(tool.importlib.metadata, "version", missing)
    monkeypatch.setattr(tool.sys, "prefix", tool.sys.base_prefix)
    with pytest.raises(Trouble) as found:
        tool.installed()
    assert found.value.todo.startswith("`python3 -m venv .venv && .venv/bin/pip install -e ") and "[build,test]" in found.value.todo


def test_the_contract_is_found() -> None:
    assert (tool.contract() / "bot.wit").is_file()
