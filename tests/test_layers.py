"""The house's invariants that a machine can check: who imports whom, and what no file may name."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Set
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = ("lsp_server", "engine", "kernels")
LONGEST_FILE = 400  # lines
HEAVY = ("torch", "triton", "tokenizers", "numpy", "transformers", "safetensors")


def test_imports_only_go_down() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 broken" in run.stdout


@pytest.mark.parametrize(
    "modules",
    [
        "lsp_server.cli, lsp_server.server",
        "lsp_server.cli, lsp_server.commands.app",
        "engine.api, engine.client.wire, engine.client.connect",
    ],
)
def test_no_torch_is_loaded(modules: str) -> None:
    code = f"import sys, {modules}; print(*[m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def test_the_way_to_the_server_loads_no_terminal_modules() -> None:
    code = "import sys, lsp_server.cli, lsp_server.server; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert {"typer", "rich"}.isdisjoint(run.stdout.split())


# What reads code, cleans fills, asks the engine: an editor waits for none of it at the start.
LATER = (
    "engine.api", "engine.client", "engine.fill", "lsp_server.answers", "lsp_server.context",
    "lsp_server.document", "lsp_server.features.code_action", "lsp_server.gap", "lsp_server.holes",
    "lsp_server.languages", "lsp_server.notify", "lsp_server.session", "lsp_server.settings",
    "lsp_server.stats", "lsp_server.suggest", "lsp_server.syntax", "tree_sitter",
)  # fmt: skip


def test_initialize_is_answered_before_anything_else_is_imported() -> None:
    program = f"""
import asyncio, sys, lsp_server.cli, lsp_server.server, lsp_server.commands.serve
server = lsp_server.server.create_server()
answers = []

class Writer:
    def write(self, data):
        answers.append((data, [name for name in {LATER} if name in sys.modules]))

async def started():
    server.protocol.set_writer(Writer())
    message = b'{{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {{}}}}'
    server.protocol.receive(server.protocol.read(message))
    assert [b'"codeActionProvider"' in data for data, _ in answers] == [True]
    await asyncio.sleep(0)
    print(*answers[0][1], "|", *[name for name in {LATER} if name not in sys.modules])
    server.session.close()

asyncio.run(started())
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    before, _, never = run.stdout.partition("|")
    assert before.split() == []
    assert never.split() == ["tree_sitter"]  # until a document is open


def test_every_dependency_is_pinned() -> None:
    pinned = {}
    for line in (ROOT / ".ci" / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, version = re.fullmatch(r"([\w.-]+)==([\w.]+)(?:; .*)?", line).groups()
            pinned[canonical(name)] = version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        asked += extra
    names = {canonical(re.match(r"[\w.-]+", each).group()) for each in asked}
    assert names - pinned.keys() == set()


@pytest.mark.parametrize("package", [*PRODUCT, "tests", "benchmarks"])
def test_no_file_is_longer_than_one_idea(package: str) -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / package).rglob("*.py")
    }
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


@pytest.mark.parametrize("package", PRODUCT)
def test_no_imports_run_in_a_circle(package: str) -> None:
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert circles(imports) == []


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}, [["b", "c"]]),
        ({"a": {"b"}, "b": {"a"}, "c": {"d", "a"}, "d": {"c"}}, [["a", "b"], ["c", "d"]]),
    ],
)
def test_circles_are_found(imports: dict[str, set[str]], expected: list[list[str]]) -> None:
    assert circles(imports) == expected


def circles(imports: Mapping[str, Set[str]]) -> list[list[str]]:
    """The modules that import each other, directly or through others: sorted, a list a circle."""
    reached: dict[str, set[str]] = {}
    for start in imports:
        reached[start], waiting = set(), [start]
        while waiting:
            new = imports[waiting.pop()] - reached[start]
            reached[start] |= new
            waiting += new
    found = {
        tuple(sorted(other for other in reached[name] if name in reached[other]))
        for name in imports
        if name in reached[name]
    }
    return [list(circle) for circle in sorted(found)]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


# What works on one machine only: folders of one, and where one takes its packages from.
BELONGS_TO_ONE_MACHINE = re.compile(
    r"(?<![\w.~$}/-])/(?:root|work|workspace|mnt)/"
    r"|--(?:extra-)?index-url|--find-links|--trusted-host"
    r"|https?://[\w.-]*(?:pythonhosted|pypi|npmjs|npmmirror|crates|artifactory|nexus)[\w.-]*"
)


def test_no_file_names_a_machine_or_a_registry() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("this is not a git checkout")
    found = [
        f"{name}:{number}: {line.strip()}"
        for name in listed.stdout.split("\0")
        if name and Path(name) != Path(__file__).relative_to(ROOT)
        for number, line in enumerate(text_lines(ROOT / name), 1)
        if BELONGS_TO_ONE_MACHINE.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("cd /work/main", True),
        ('path = "/root/.cache"', True),
        ("pip install --index-url x", True),
        ('"resolved": "https://registry.npmjs.org/left-pad"', True),
        ("https://example.org/work/page", False),
        ("~/work/project and $HOME/root/", False),
        ("file:///work/project/main.py", False),
        ("framework/root/x", False),
    ],
)
def test_what_is_looked_for(line: str, is_found: bool) -> None:
    assert bool(BELONGS_TO_ONE_MACHINE.search(line)) is is_found


def text_lines(path: Path) -> list[str]:
    """No lines where there is no text: a deleted file, weights, an image."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, OSError):
        return []
