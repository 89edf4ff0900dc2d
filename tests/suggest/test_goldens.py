"""What is shown of a fill, in every language; see goldens.py for what a case says."""

from __future__ import annotations

import pytest

from lsp_server.syntax.grammars import GRAMMARS
from tests.suggest.goldens import FOLDER, Case, read, shown, write

FILES = sorted(FOLDER.glob("*.toml"))
CASES = [
    pytest.param(
        case,
        id=f"{case.language}: {case.name}",
        marks=pytest.mark.xfail(reason=case.fails, strict=True) if case.fails else (),
    )
    for path in FILES
    for case in read(path)
]


@pytest.fixture(scope="session", autouse=True)
def updated(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update", default=False):
        for path in FILES:
            cases = read(path)
            for case in cases:
                if not case.fails:
                    case.after = shown(case)
            write(path, cases)


@pytest.mark.parametrize("case", CASES)
def test_golden(case: Case) -> None:
    assert shown(case) == case.after


def test_there_are_goldens_for_every_language() -> None:
    same = {"sh", "shellscript", "jsonc", "javascriptreact"}
    assert GRAMMARS.keys() - same <= {path.stem for path in FILES}
    assert len(CASES) >= 150
