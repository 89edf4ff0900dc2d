"""Where what was learned lies, and for whom; and when nobody is disturbed."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.checkpoints.tuned import TUNED, sampled_digest
from engine.tuning import quiet
from engine.tuning.kept import Kept, Record, all_kept, tuned_folder, tuned_for
from engine.tuning.quiet import Quiet


def gained(workspace: Path, base: Path, name: str = "abc") -> Kept:
    kept = Kept.of(workspace, str(base))
    kept.make()
    (kept.folder / name).mkdir(exist_ok=True)
    (kept.folder / name / TUNED).write_text("{}")
    kept.write(Record(str(workspace), str(base), sampled_digest(base), gained=True, model=name))
    return kept


@pytest.fixture
def base(model_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder("causal prefix"), tmp_path / "base"))


def test_a_workspace_has_its_model_and_so_have_the_folders_in_it(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "work" / "packages" / "one"
    inner.mkdir(parents=True)
    assert tuned_for(inner, str(base)) is None
    outer = gained(tmp_path / "work", base)
    assert tuned_for(inner, str(base)) == outer.folder / "abc"
    nearer = gained(inner, base)
    assert tuned_for(inner, str(base)) == nearer.folder / "abc"
    assert tuned_for(tmp_path / "work", str(base)) == outer.folder / "abc"
    assert tuned_for(tmp_path, str(base)) is None
    assert tuned_for(inner, "embedded") is None
    monkeypatch.chdir(tmp_path)
    assert tuned_for(inner, "base") == nearer.folder / "abc", "a folder has many names"
    (tmp_path / "link").symlink_to(inner)
    assert tuned_for(tmp_path / "link", str(base)) == nearer.folder / "abc"


def test_a_model_of_another_base_is_none(base: Path, tmp_path: Path) -> None:
    gained(tmp_path / "work", base)
    profile = json.loads((base / "profile.json").read_text())
    (base / "profile.json").write_text(json.dumps({**profile, "name": "fitted anew"}))
    assert tuned_for(tmp_path / "work", str(base)) is None


def test_a_run_that_was_dropped_or_not_finished_is_no_model(base: Path, tmp_path: Path) -> None:
    kept = gained(tmp_path / "work", base)
    record = kept.record()
    assert record is not None
    kept.write(replace(record, model=""))
    assert tuned_for(tmp_path / "work", str(base)) is None
    kept.write(replace(record, model="gone"))
    assert tuned_for(tmp_path / "work", str(base)) is None


def test_only_the_user_may_look(base: Path, tmp_path: Path, data: Path) -> None:
    kept = gained(tmp_path / "work", base)
    assert kept.folder.is_relative_to(data / "tuned")
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700


def test_what_is_forgotten_is_gone(base: Path, tmp_path: Path) -> None:
    one, two = gained(tmp_path / "one", base), gained(tmp_path / "two", base)
    assert {each.folder for each in all_kept()} == {one.folder, two.folder}
    assert one.forget()
    assert not one.forget()
    assert [each.folder for each in all_kept()] == [two.folder]
    assert list(tuned_folder().iterdir()) == [two.folder]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"workspace": "a"}', "null"])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    kept = Kept.of(tmp_path, "embedded")
    kept.make()
    (kept.folder / TUNED).write_text(content)
    assert kept.record() is None
    assert kept.model() is None


def test_a_record_of_a_later_version_is_read(base: Path, tmp_path: Path) -> None:
    kept = gained(tmp_path / "work", base)
    told = json.loads((kept.folder / TUNED).read_text())
    (kept.folder / TUNED).write_text(json.dumps({**told, "new": 1}))
    assert kept.record() is not None


def test_models_are_dropped_but_one(base: Path, tmp_path: Path) -> None:
    kept = gained(tmp_path / "work", base)
    gained(tmp_path / "work", base, "newer")
    kept.drop_models(but="newer")
    assert [each.name for each in kept.folder.iterdir() if each.is_dir()] == ["newer"]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_somebody_who_fills_is_left_alone() -> None:
    clock, fills = Clock(), [4]
    watch = Quiet(lambda: fills[0], clock)
    assert watch.is_quiet(), "what was filled before we came disturbs nobody"
    fills[0] = 6
    clock.now += 1
    assert watch.is_quiet(), "it looks only now and then"
    clock.now += 1.5
    assert not watch.is_quiet()
    clock.now += quiet.QUIET - 1
    assert not watch.is_quiet()
    fills[0] = 7
    clock.now += 2
    assert not watch.is_quiet(), "and again"
    clock.now += quiet.QUIET + 1
    assert watch.is_quiet()


def test_fills_are_counted_over_all_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: dict[str, object] = {
        "one": {"filled": 5, "running": 1, "waiting": 2},
        "two": {"filled": 1, "running": 0, "waiting": 0},
        "nobody": quiet.NoHost("gone"),
        "odd": {"filled": 3},
    }

    def visit(address: str, method: str, patience: float) -> object:
        found = told[address]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(quiet, "addresses", lambda: iter(told))
    monkeypatch.setattr(quiet, "visit", visit)
    assert quiet.fills_so_far() == 15
    told["one"] = {"filled": 6, "running": 0, "waiting": 2}
    assert quiet.fills_so_far() != 15, "a fill that has been made is seen, too"
