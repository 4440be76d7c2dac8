"""The README and the pages under docs say what is true: snippets work, links lead somewhere, nothing is left out."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import click
import pytest

from baler_core.cli import cli
from baler_core.config import load_config
from baler_core.config.yaml_nodes import read_yaml
from baler_core.plugin import hookspecs
from baler_core.plugin.registry import load_plugins

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
FENCE = r"^```([^\n]*)\n(.*?)^```$"
# Their snippets have tests of their own.
ELSEWHERE = ("docs/configuration.md", "docs/plugins.md")


def snippets(language: str) -> list[tuple[str, str]]:
    """(page, code) of all code blocks of one language; of those without a language for an empty one."""
    blocks = [
        (page, *block) for page, text in TEXTS.items() for block in re.findall(FENCE, text, re.DOTALL | re.MULTILINE)
    ]
    return [(page, code) for page, found, code in blocks if found == language and page not in ELSEWHERE]


@pytest.mark.parametrize(("page", "code"), snippets("yaml"))
def test_configurations_are_right(page: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(code)
    for line in re.findall(r"^input: (.*)$", code, re.MULTILINE):
        (tmp_path / line).touch()
    config = load_config(tmp_path / "c.yaml", load_plugins())
    assert config.inputs


@pytest.mark.parametrize("config", sorted((ROOT / "examples").glob("*/config.yaml")), ids=lambda path: path.parent.name)
def test_examples_are_right(config: Path, tmp_path: Path) -> None:
    text = config.read_text()
    (tmp_path / "config.yaml").write_text(text)
    (tmp_path / str(read_yaml(config).value["input"])).touch()
    assert load_config(tmp_path / "config.yaml", load_plugins()).inputs


@pytest.mark.parametrize(("page", "code"), snippets("python"))
def test_python_runs(page: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "snippet.py").write_text(code)
    runpy.run_path("snippet.py")
    written = re.findall(r'"(\w+\.(?:npz|balm?))"', code)
    assert written
    assert all((tmp_path / name).exists() for name in written)


def commands() -> list[tuple[str, str]]:
    """(page, line) of every shown call of baler or of a script of the repository."""
    lines = [(page, line.split("  #")[0].strip()) for page, code in snippets("") for line in code.splitlines()]
    return [(page, line) for page, line in lines if re.match(r"baler |python \w+/|make ", line)]


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_exist_with_their_options(page: str, line: str) -> None:
    program, name, *arguments = shlex.split(line)
    if program == "make":
        assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "python":
        assert (ROOT / name).is_file()
    else:
        command = cli.get_command(click.Context(cli), name)
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), arguments.pop(0))
        assert command is not None
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {argument for argument in arguments if argument.startswith("-")} <= known
        wanted = sum(isinstance(parameter, click.Argument) and parameter.required for parameter in command.params)
        assert len(arguments) >= wanted


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    targets = re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", TEXTS[page])
    assert [target for target in targets if not (folder / target).exists()] == []


@pytest.mark.parametrize("page", TEXTS)
def test_files_that_are_named_are_there(page: str) -> None:
    named = re.findall(r"`((?:baler_core|plugins|tests|docs|examples|benchmarks|\.ci)/[\w./-]*)`", TEXTS[page])
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = set(re.findall(r"^(\w+)$", TEXTS["docs/index.md"], re.MULTILINE))
    assert listed == {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}


def test_every_kind_of_component_and_its_hook_is_told() -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("baler_")]
    assert len(hooks) == 7
    for hook in hooks:
        assert f"`{hook}`" in TEXTS["docs/plugins.md"]


def test_every_component_is_in_the_changelog() -> None:
    offers = load_plugins().offers
    ours = [
        name
        for kind in ("model", "preprocessor", "loss", "metric", "quantity")
        for name, found in offers[kind].items()
        if found[0].package.startswith("baler-")
    ]
    assert [name for name in ours if f"`{name}`" not in TEXTS["CHANGELOG.md"]] == []
