"""Nobody is told to install a name that we do not publish: whoever takes it runs code there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import engine
import lsp_server

ROOT = Path(__file__).parents[1]

# A tool that asks an index, then our name on its own: not `./infill-ls`, not `.../infill-ls/...`,
# not `infill-ls.git`, not a wheel's name, and not what takes it away again.
TOOLS = r"(?:uvx|uv|pipx|pip3?|brew|npm|cargo|conda)"
VERBS = r"(?:install|run|inject|add|upgrade|reinstall|x)"
OURS = r"(?<![\w./~@-])infill[-_.]ls(?![\w/-]|\.\w)"
BARE = re.compile(
    rf"\b{TOOLS}\b[^\n`]*\b{VERBS}\b[^\n`]*?{OURS}|\buvx\s+[^\n`]*?{OURS}|\binstall\s+{OURS}\[",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    ("text", "is_bare"),
    [
        ("uv tool install infill-ls", True),
        ("uv tool install --force infill-ls", True),
        ("uv tool install infill-ls==0.1.0", True),
        ("uv tool install 'infill-ls[ws]'", True),
        ("pipx install infill-ls", True),
        ("pip install -U infill_ls", True),
        ("pipx run infill-ls demo", True),
        ("uvx infill-ls playground", True),
        ("python -m pip install infill-ls", True),
        ("install infill-ls[pull]", True),
        ("uv tool install .", False),
        ("uv tool install ./infill-ls", False),
        ("uv tool install ./infill_ls-0.1.0-py3-none-any.whl", False),
        ("pipx install https://example.com/infill_ls-0.1.0-py3-none-any.whl", False),
        ("pipx install git+https://example.com/infill-ls", False),
        ("uv tool uninstall infill-ls", False),
        ("install infill-ls anew", False),
        ("code --install-extension infill.vsix", False),
    ],
)
def test_a_bare_name_is_told_from_a_place(text: str, is_bare: bool) -> None:
    assert bool(BARE.search(text)) is is_bare


def test_no_shipped_text_installs_a_bare_name() -> None:
    assert [
        f"{name}:{number}: {line.strip()}"
        for name in shipped()
        for number, line in enumerate(lines_of(ROOT / name), 1)
        if BARE.search(line)
    ] == []


def test_one_version_everywhere() -> None:
    """A release is one thing: server, extension and plugin compare their versions at each start."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    manifest = json.loads((ROOT / "editors/vscode/package.json").read_text())["version"]
    plugin = (ROOT / "editors/neovim/lua/infill/version.lua").read_text()
    changes = (ROOT / "docs/changelog.md").read_text()
    assert manifest == lsp_server.__version__ == engine.__version__ == project
    assert re.search(r"M\.OURS = '([^']*)'", plugin).group(1) == project
    assert re.search(r"^## ([\d.]+)", changes, re.MULTILINE).group(1) == project


def shipped() -> list[str]:
    """All that a user may read: the files of the repository but for its tests."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("this is not a git checkout")
    names = [name for name in listed.stdout.split("\0") if name]
    return [name for name in names if "test" not in Path(name).parts and name[:6] != "tests/"]


def lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, FileNotFoundError):
        return []


def test_the_wheel_holds_the_packages_whole_and_runs(tmp_path: Path) -> None:
    """Put where no source tree is: with the dependencies of this environment, and nothing else."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path]
    subprocess.run([*build, ROOT], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("infill_ls-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "here")
    packages = ("lsp_server/", "engine/", "kernels/")
    wanted = {name for name in shipped() if name.startswith(packages)}
    there = {path.relative_to(tmp_path / "here").as_posix() for path in files_in(tmp_path / "here")}
    assert wanted - there == set()
    assert {name for name in there if not name.startswith((*packages, "infill_ls-"))} == set()
    run = subprocess.run(
        [sys.executable, "-P", "-m", "lsp_server", "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "here")},
        capture_output=True,
        text=True,
    )
    assert run.stdout == f"infill-ls {lsp_server.__version__}\n", run.stderr


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
