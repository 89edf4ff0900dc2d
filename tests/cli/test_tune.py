"""`infill-ls tune`: which files it reads, what it shows, and how it is told of and forgotten."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.checkpoints.catalog import EMBEDDED_FOLDER
from engine.checkpoints.tuned import TUNED, sampled_digest
from engine.client.lock import FileLock
from engine.tuning.kept import Kept, Record
from lsp_server.commands import tune
from lsp_server.commands.doctor import tuning
from lsp_server.commands.doctor.finding import State
from tests.cli.conftest import Infill


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path / "data" / "models"))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def record(workspace: Path, **changes: Any) -> Record:
    told = {
        "workspace": str(workspace), "base": "embedded", "digest": "d", "files": 30, "held_out": 8,
        "gaps": 120, "steps": 900, "minutes": 14.0, "before": 0.3, "after": 0.375,
        "loss_before": 2.0, "loss_after": 1.8, "gained": True, "model": "abc",
    }  # fmt: skip
    return Record(**{**told, **changes})


class Script:
    """Messages of a run; what it was started with."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = messages
        self.arguments: list[str] = []
        self.files: list[str] = []

    @contextmanager
    def __call__(
        self, arguments: list[str], files: list[str]
    ) -> Iterator[Iterator[dict[str, Any]]]:
        self.arguments, self.files = arguments, files
        yield iter(self.messages)


PROGRESS = (
    {"stage": "measuring before", "done": 3, "of": 9, "paused": False},
    {"stage": "learning", "done": 3.5, "of": 60.0, "loss": None, "paused": True},
    {"stage": "learning", "done": 3.5, "of": 60.0, "loss": 2.5, "paused": False},
    {"stage": "measuring after", "done": 3, "of": 9, "paused": False},
)


def test_it_reads_what_git_does_not_ignore_and_holds_no_secrets(
    infill: Infill, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.py", "made/b.py", "notes.txt", "secrets/c.py", ".env.py", "d.secret.py"):
        path = work / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x = 1\n")
    (tmp_path / "id_rsa").write_text("x = 1\n")
    (work / "plain.py").symlink_to(tmp_path / "id_rsa")
    (work / ".gitignore").write_text("made/\n")
    subprocess.run(["git", "init", "-q", str(work)], check=True)
    script = Script(*PROGRESS, {"result": record(work).as_json()})
    monkeypatch.setattr(tune, "_messages", script)
    done = infill("tune", work, "--minutes", "3", "--device", "cpu")
    assert done.code == 0
    assert script.files == ["a.py"]
    assert script.arguments == [
        str(work), "--model", "embedded", "--minutes", "3.0", "--device", "cpu"
    ]  # fmt: skip
    assert "120 gaps in 8 held-out files, 30.0 % exact before, 37.5 % after; in use" in done.out


ENDS = [  # what the run says last, the exit status, what is said of it
    ({"result": {"gained": False, "after": 0.3, "model": ""}}, 0, "no gain, so dropped"),
    ({"result": {"gained": False, "after": 0.3}}, 0, "before stays in use"),
    ({"ended": True}, 0, "run `infill-ls tune` again to go on"),
    ({"error": "there are 2 files to learn from"}, 1, "there are 2 files to learn from"),
    ({}, 1, "ended before it had a result"),
]


@pytest.mark.parametrize(("last", "code", "words"), ENDS)
def test_how_a_run_ends(
    infill: Infill,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    last: dict[str, Any],
    code: int,
    words: str,
) -> None:
    if "result" in last:
        last = {"result": record(work, **last["result"]).as_json()}
    monkeypatch.setattr(tune, "_messages", Script(*PROGRESS, last))
    done = infill("tune", work)
    assert (done.code, words in done.out + done.err) == (code, True)


MISTAKES = [
    (("gone",), "is no folder"),
    ((".", "--status", "--forget"), "two things"),
    ((".", "--model", "diffusiongemma"), "is a family"),
    ((".", "--model", "nothing"), 'there is no model "nothing"'),
    ((".", "--minutes", "0"), "minutes"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES)
def test_mistakes_are_explained(infill: Infill, arguments: tuple[str, ...], words: str) -> None:
    done = infill("tune", *arguments)
    assert (done.code, words in done.err) == (2, True)


def test_what_was_learned_is_told_and_forgotten(infill: Infill, work: Path) -> None:
    assert "Nothing was learned yet" in infill("tune", "--status").out
    assert json.loads(infill("tune", "--status", "--json").out) == {"tuned": []}
    kept = Kept.of(work, "embedded")
    kept.make()
    kept.write(record(work))
    assert f"{work}, embedded: of 120 gaps" in infill("tune", "--status").out.replace("\n", " ")
    kept.write(record(work, after=None, gained=None, minutes=2.5))
    assert "2.5 min so far" in infill("tune", "--status").out
    told = json.loads(infill("tune", "--status", "--json").out)["tuned"]
    assert [each["workspace"] for each in told] == [str(work)]
    lock = FileLock(kept.lock)
    assert lock.take()
    assert infill("tune", work, "--forget").code == 1
    lock.release()
    assert "is forgotten" in infill("tune", work, "--forget").out
    assert "nothing to forget" in infill("tune", work, "--forget").out
    assert not kept.folder.exists()


def test_stats_and_doctor_know_of_it(
    infill: Infill, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    (only,) = tuning.tuning()
    assert (only.state, only.name) == (State.OK, "tuning")
    digest = sampled_digest(EMBEDDED_FOLDER)
    for name, changes in {
        "used": {"digest": digest},
        "dropped": {"gained": False, "model": ""},
        "outdated": {"digest": "of another version"},
        "gone": {"digest": digest},
    }.items():
        folder = work / name
        kept = Kept.of(folder, "embedded")
        kept.make()
        (kept.folder / "abc").mkdir()
        (kept.folder / "abc" / TUNED).write_text("{}")
        kept.write(record(folder, **changes))
        if name != "gone":
            folder.mkdir()
    found = {each.message.split(",")[0].split()[0]: each for each in tuning.tuning()}
    assert {Path(name).name: each.state for name, each in found.items()} == {
        "used": State.OK,
        "dropped": State.OK,
        "outdated": State.WARNING,
        "gone": State.WARNING,
    }
    assert "--forget" in found[str(work / "gone")].fix
    assert infill("stats").out.replace("\n", " ").count("learned of ") == 4
    assert len(json.loads(infill("stats", "--json").out)["tuned"]) == 4
