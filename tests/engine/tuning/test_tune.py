"""A run from beginning to end, with a clock of its own: measured, learned, kept or dropped, ended
and gone on from."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.checkpoints.tuned import ADAPTER, TUNED
from engine.client.lock import FileLock
from engine.evaluation.cutting import Text
from engine.fill.load import load_engine
from engine.tuning import __main__ as command
from engine.tuning import tune as tuning
from engine.tuning.kept import Kept, Record, tuned_for
from engine.tuning.learner import STATE, Settings
from engine.tuning.quiet import Quiet
from engine.tuning.tune import MEASURED, Ended, NothingToLearn, Run, is_held_out, tune
from tests.engine.evaluation.test_pauses import LUA, PYTHON, TYPESCRIPT

SETTINGS = Settings(rank=2, rate=0.01, lessons=1)
QUIET = Quiet(lambda: 0)


class Clock:
    """Every look at it is a second later than the one before."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def texts() -> list[Text]:
    made = [("py", PYTHON, "python"), ("ts", TYPESCRIPT, "typescript"), ("lua", LUA, "lua")]
    return [
        Text(f"src/{number}.{suffix}", text * 2, language)
        for number in range(5)
        for suffix, text, language in made
    ]


@pytest.fixture
def run(model_folder: Callable[[str], Path], tmp_path: Path) -> Run:
    workspace = tmp_path / "work"
    workspace.mkdir()
    base = str(model_folder("quick"))
    return Run(workspace, texts(), base, seconds=60.0, settings=SETTINGS, most_gaps=10)


@pytest.fixture
def kept(run: Run) -> Kept:
    return Kept.of(run.workspace, run.base)


def script(monkeypatch: pytest.MonkeyPatch, *exact: int) -> None:
    """So many gaps of ten are filled exactly, one measurement after the other."""
    answers = iter(exact)

    def measure(engine: object, items: list[object], *rest: object) -> tuning.Measured:
        right = next(answers)
        return tuning.Measured([at < right for at in range(len(items))], 2.0)

    monkeypatch.setattr(tuning, "_measure", measure)


def test_what_gains_is_kept_and_used(run: Run, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, 3, 5)
    told: list[dict[str, Any]] = []
    record = tune(run, kept, told.append, quiet=QUIET, clock=Clock())
    assert record.gained
    assert (record.before, record.after, record.gaps) == (0.3, 0.5, 10)
    assert record.loss_before is not None
    assert record.loss_after is not None
    assert record.loss_after < record.loss_before
    assert record.steps > 10
    assert (record.files + record.held_out, record.held_out) == (15, held_out())
    folder = tuned_for(run.workspace, run.base)
    assert folder is not None
    assert {path.name for path in folder.iterdir()} >= {TUNED, ADAPTER, "config.json"}
    assert sorted(path.name for path in kept.folder.iterdir()) == sorted([folder.name, TUNED])
    assert load_engine(str(folder), "cpu").profile == load_engine(run.base, "cpu").profile
    assert {message["stage"] for message in told} == {"learning"}
    losses = [message["loss"] for message in told if message["loss"] is not None]
    assert len(losses) > 10

    script(monkeypatch, 3, 2)
    second = tune(run, kept, quiet=QUIET, clock=Clock())
    assert second.gained is False
    assert tuned_for(run.workspace, run.base) == folder, "what gained before stays"

    script(monkeypatch, 3, 6)
    longer = replace(run, seconds=80.0)
    assert tune(longer, kept, quiet=QUIET, clock=Clock()).gained
    newer = tuned_for(run.workspace, run.base)
    assert newer is not None
    assert newer.name != folder.name
    assert not folder.exists()


def held_out() -> int:
    return sum(is_held_out(text.name) for text in texts())


GAINS = [  # exactly right before and after, the loss before and after -> kept
    (0.3, 0.4, 2.0, 1.5, True),
    (0.3, 0.3, 2.0, 1.5, False),
    (0.3, 0.2, 2.0, 1.5, False),
    (0.3, 0.4, 2.0, 2.1, False),
    (0.0, 0.1, 2.0, float("nan"), False),
]


@pytest.mark.parametrize(("before", "after", "loss_before", "loss_after", "gained"), GAINS)
def test_only_a_gain_is_kept(
    kept: Kept, before: float, after: float, loss_before: float, loss_after: float, gained: bool
) -> None:
    kept.make()
    made = kept.folder / "made"
    made.mkdir()
    told = Record(
        "w", "b", "d", before=before, after=after, loss_before=loss_before, loss_after=loss_after
    )
    record = tuning._keep_or_drop(told, made, kept)
    assert (record.gained, record.model, made.exists()) == (gained, "made" * gained, gained)
    assert kept.record() == record or loss_after != loss_after


def test_it_goes_on_where_it_was_ended(
    run: Run, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages: list[str] = []

    def tell(message: dict[str, Any]) -> None:
        stages.append(message["stage"])

    with pytest.raises(Ended):
        tune(run, kept, tell, lambda: stages.count("measuring before") == 4, QUIET, Clock())
    with pytest.raises(Ended):
        tune(run, kept, tell, lambda: stages.count("learning") == 6, QUIET, Clock())
    first = kept.record()
    assert first is not None
    assert (first.steps, first.after, first.gained) == (6, None, None)
    assert {path.name for path in kept.folder.iterdir()} == {STATE, MEASURED, TUNED}
    assert tuned_for(run.workspace, run.base) is None

    stages.clear()
    record = tune(run, kept, tell, quiet=QUIET, clock=Clock())
    assert record.steps > first.steps
    assert record.before == first.before
    assert "measuring before" not in stages, "that is known"
    assert stages.count("learning") < record.steps, "so is what was learned"
    assert stages.count("measuring after") == record.gaps


def test_another_length_begins_anew(run: Run, kept: Kept) -> None:
    stages: list[str] = []

    def ended_after(count: int, run: Run) -> None:
        stages.clear()
        with pytest.raises(Ended):
            tune(
                run,
                kept,
                lambda message: stages.append(message["stage"]),
                lambda: stages.count("learning") == count,
                QUIET,
                Clock(),
            )

    ended_after(5, run)
    ended_after(2, replace(run, seconds=90.0))
    record = kept.record()
    assert record is not None
    assert record.steps == 2


def test_it_waits_while_somebody_fills(
    run: Run, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, 3, 5)
    monkeypatch.setattr(tuning, "LOOK_EVERY", 0.0)
    told: list[dict[str, Any]] = []

    class Typing(Quiet):
        def is_quiet(self) -> bool:
            return not 4 <= len(told) < 9

    record = tune(run, kept, told.append, quiet=Typing(), clock=Clock())
    assert [message["paused"] for message in told[:11]] == [False] * 4 + [True] * 5 + [False] * 2
    assert len({message["done"] for message in told[4:10]}) == 1, "and no time goes by for it"
    assert record.finished


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_files_are_said_to_be_so(run: Run, kept: Kept, count: int) -> None:
    with pytest.raises(NothingToLearn, match=f"{count} files"):
        tune(replace(run, texts=texts()[:count]), kept, quiet=QUIET, clock=Clock())


def test_a_model_of_another_library_says_that_it_cannot_learn(run: Run, kept: Kept) -> None:
    with pytest.raises(ValueError, match="another library"):
        tune(replace(run, base=f"transformers:{run.base}"), kept, quiet=QUIET, clock=Clock())


def test_one_file_in_five_is_held_out_wherever_it_is() -> None:
    names = [f"package/{number}.py" for number in range(1000)]
    assert 150 < sum(map(is_held_out, names)) < 250


SOURCES = {
    "a.py": PYTHON * 2,
    "b.lua": LUA.replace("\n", "\r\n") * 2,
    "short.py": "x = 1\n",
    "image.png": PYTHON * 2,
    "latin.py": b"# caf\xe9\n" * 60,
    "huge.py": "x = 1\n" * 200_000,
}


def test_files_that_nothing_can_be_learned_from_are_left_out(tmp_path: Path) -> None:
    for name, content in SOURCES.items():
        (tmp_path / name).write_bytes(
            content if isinstance(content, bytes) else content.encode("utf-8")
        )
    found = list(command.read_texts(tmp_path, [*SOURCES, "gone.py"]))
    assert [text.name for text in found] == ["a.py", "b.lua"]
    assert all("\r" not in text.text for text in found)


@pytest.fixture
def told(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[dict[str, Any]]]:
    monkeypatch.setattr(command, "_step_back", lambda threads: None)
    monkeypatch.setattr(command, "_ends_on_sigterm", lambda: lambda: True)

    def call(files: list[str], folder: Path = run.workspace) -> list[dict[str, Any]]:
        lines = "".join(json.dumps(name) + "\n" for name in files)
        monkeypatch.setattr("sys.stdin", io.StringIO(lines))
        command.main([str(folder), "--model", run.base, "--minutes", "0.1", "--gaps", "10",
                      "--device", "cpu", "--threads", "1"])  # fmt: skip
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return call


def test_the_module_tells_what_it_did(told: Callable[..., list[dict[str, Any]]], run: Run) -> None:
    for text in texts():
        path = run.workspace / text.name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.text)
    assert told([text.name for text in texts()])[-1] == {"ended": True}


def test_the_module_says_why_it_cannot(
    told: Callable[..., list[dict[str, Any]]], run: Run, kept: Kept
) -> None:
    assert "0 files" in told([])[-1]["error"]
    lock = FileLock(kept.lock)
    assert lock.take()
    assert "already" in told([])[-1]["error"]
    lock.release()
