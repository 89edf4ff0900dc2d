"""The house's invariants that a machine can check: who imports whom, and what no file may name."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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
