"""`infill-ls doctor`: each check with what is wrong really wrong."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.checkpoints import memory
from engine.checkpoints.catalog import CATALOG
from engine.measure import diagnosis
from lsp_server.commands.doctor import (
    card,
    command,
    configuration,
    examination,
    models,
    packages,
)
from lsp_server.commands.doctor.asking import AskEngine, Diagnosis, NoAnswer, ask
from lsp_server.commands.doctor.editors import EDITORS
from lsp_server.commands.doctor.examination import Check, examine
from lsp_server.commands.doctor.finding import Finding, State, ok, warning, wrong
from tests.cli.conftest import Infill
from tests.engine.checkpoints import writer

OK, WARNING, WRONG = State.OK, State.WARNING, State.WRONG
posix = pytest.mark.skipif(os.name != "posix", reason="needs programs that are scripts, or modes")


def check(finding: Finding, state: State, *words: str) -> None:
    assert finding.state is state, finding
    for each in words:
        assert each in f"{finding.message} {finding.fix}"
    assert "\n" not in finding.message + finding.fix


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_python() -> None:
    check(packages.python(), OK, ".".join(map(str, sys.version_info[:2])))


def test_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "OLDEST_PYTHON", (99, 0))
    check(packages.python(), WRONG, "use Python 99.0 or later")


@posix
def test_the_command(programs: Callable[[str, str], None]) -> None:
    check(packages.command(), WARNING, "put its folder on PATH")
    programs("infill-ls", "")
    check(packages.command(), OK, "bin/infill-ls")


def test_triton_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "version_of", lambda _: None)
    check(packages.triton(), WARNING if sys.platform == "linux" else OK)


def test_torch_and_no_card(programs: Callable[[str, str], None]) -> None:
    told = diagnosis.look_at_torch()
    if told["cards"]:
        pytest.skip("there is a card")
    check(card.card(told, None), OK, "on the processor")
    check(card.card(told, "cuda"), WRONG, "cuda is asked for")
    programs("nvidia-smi", "echo 580.65")
    words = ("finds no card", "CUDA_VISIBLE_DEVICES") if told["cuda"] else ("built without CUDA",)
    check(card.card(told, None), WRONG, *words)


def diagnosed(look: str, model: str = "embedded") -> AskEngine:
    return Diagnosis([look], model, "cpu").ask


def test_all_looks_are_answers_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Diagnosis(["torch", "model", "kernel"], "embedded", "cpu").ask
    assert ask(120.0, "kernel")["right"]
    assert ask(120.0, "model")["fault"] is None
    assert ask(120.0, "torch")["version"]


@posix
def test_answers_before_a_crash_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "python"
    line = json.dumps({"look": "torch", "found": {"version": "2"}})
    program.write_text(f"#!/bin/sh\necho '{line}'\necho not JSON\necho it breaks >&2\nexit 139\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    ask = Diagnosis(["torch", "kernel"], "embedded", None).ask
    assert ask(30.0, "torch") == {"version": "2"}
    with pytest.raises(NoAnswer, match="it breaks"):
        ask(30.0, "kernel")


def test_an_answer_that_does_not_come(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    with pytest.raises(NoAnswer, match="No such file"):
        Diagnosis(["torch"], "embedded", None).ask(30.0, "torch")


CARD = {"name": "RTX 4090", "capability": "8.9", "free": 23e9, "total": 24e9}


def test_cards() -> None:
    told = {"version": "2.13", "cuda": "13.0", "warnings": [], "cards": [CARD]}
    check(card.card(told, None), OK, "RTX 4090", "8.9")
    check(card.card(told, "cuda:0"), OK, "RTX 4090")
    check(card.card(told, "cuda:1"), WRONG, "there is no cuda:1")
    old = {**told, "cards": [{**CARD, "capability": "7.5"}]}
    check(card.card(old, None), WARNING, "need 8.0", "infill.device")


def test_torch_that_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a half installation is: there, and it fails when it is imported."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('libcudart is not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (found,) = card.torch(None, diagnosed("torch"))
    check(found, WRONG, "libcudart is not here", "install infill-ls anew")


@posix
def test_the_driver(
    programs: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(card, "DRIVER_VERSION", tmp_path / "none")
    check(card.driver(), OK, "no NVIDIA driver")
    programs("nvidia-smi", "echo 580.65.06")
    check(card.driver(), OK, "580.65.06")
    programs("nvidia-smi", "echo 'Failed: Driver/library version mismatch'; exit 18")
    check(card.driver(), WRONG, "version mismatch", "restart the machine")


def test_a_kernel() -> None:
    check(card.kernel(diagnosed("kernel")), OK, "the reference on cpu")


def test_a_kernel_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFILL_KERNELS", "quick")
    check(
        card.kernel(diagnosed("kernel")),
        WRONG,
        "INFILL_KERNELS is 'quick'",
        "INFILL_KERNELS=reference",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model, whole."""
    writer.write_model(tmp_path / "tiny", writer.google_bf16(writer.weights()))
    whole = models.catalog.EMBEDDED_FOLDER / "tokenizer.json"
    (tmp_path / "tiny" / "tokenizer.json").write_bytes(whole.read_bytes())
    return tmp_path / "tiny"


def test_a_model(folder: Path) -> None:
    files, worth, room = models.model(str(folder), diagnosed("model", str(folder)))
    check(files, OK, str(folder), "bf16")
    check(worth, OK, "not calibrated", "--calibrate")
    check(room, OK, "free on cpu")


def cut_short(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])


def without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def of_another_family(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "mamba"}')


def with_a_strange_profile(folder: Path) -> None:
    (folder / "profile.json").write_text('{"speed": 11}')


BROKEN = {
    "cut short": (cut_short, ("is truncated", "fetch the model again")),
    "no tokenizer": (without_tokenizer, ("tokenizer.json", "fetch the model again")),
    "another family": (of_another_family, ("a mamba model",)),
    "profile": (with_a_strange_profile, ("unknown keys speed",)),
}


@pytest.mark.parametrize(("damage", "words"), BROKEN.values(), ids=BROKEN)
def test_a_model_with_a_fault(
    damage: Callable[[Path], None], words: tuple[str, ...], folder: Path
) -> None:
    import torch

    damage(folder)
    told = diagnosis.look_at_model(str(folder), torch.device("cpu"))
    assert told["fault"]["of"] == "files"
    check(wrong("model", *models.message_and_fix(told["fault"]["message"])), WRONG, *words)


@pytest.mark.parametrize(("kilobytes", "state"), [(1000, WRONG), (45_000, WARNING)])
def test_too_little_memory(
    kilobytes: int, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    (tmp_path / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable: {kilobytes:>8} kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    told = diagnosis.look_at_model("embedded", torch.device("cpu"))
    check(models.memory(told), state, "close other programs")


def test_a_model_that_is_nowhere() -> None:
    (found,) = models.model("nowhere", diagnosed("model", "nowhere"))
    check(found, WRONG, 'there is no model "nowhere"')


def test_pulled_models(store: Path) -> None:
    assert list(models.pulled(verify=True)) == []
    content, name = b"{}\n", CATALOG[0].name
    checksum = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    files = {"config.json": {"size": len(content), "checksum": checksum}}
    (store / name).mkdir(parents=True)
    (store / name / "config.json").write_bytes(content)
    (store / name / "pulled.json").write_text(json.dumps({"files": files}))
    check(*models.pulled(verify=False), OK, f"{name}: all files have their size")
    check(*models.pulled(verify=True), OK, f"{name}: every byte verified")
    (store / name / "config.json").write_bytes(b"[]\n")
    check(*models.pulled(verify=False), OK)
    check(*models.pulled(verify=True), WRONG, "config.json is not what was pulled", "pull")
    (store / name / "config.json").write_bytes(b"[]")
    check(*models.pulled(verify=False), WRONG, "is not whole")
    (store / name).rename(store / f"{name}.partial")
    check(*models.pulled(verify=False), WARNING, "in part", f"run `infill-ls pull {name}` to go on")


NEOVIM = next(editor for editor in EDITORS if editor.command == "nvim")


@posix
def test_a_program_that_hangs(programs: Callable[[str, str], None]) -> None:
    programs("slow", "while :; do :; done")
    with pytest.raises(NoAnswer, match=r"no answer within 0\.2 s"):
        ask(["slow"], 0.2)


def test_a_check_that_hangs_or_fails_is_a_finding_and_the_others_go_on() -> None:
    def hang() -> Finding:
        time.sleep(60)
        return ok("hang", "")

    def fail() -> Finding:
        raise RuntimeError("oh")

    findings = list(
        examine(
            [
                Check("hang", hang, 0.05),
                Check("fail", fail, 5.0),
                Check("two", lambda: iter([ok("a", "1"), ok("b", "2")]), 5.0),
            ]
        )
    )
    check(findings[0], WRONG, "more than 0.05 s")
    check(findings[1], WRONG, "RuntimeError: oh")
    assert [each.name for each in findings] == ["hang", "fail", "a", "b"]


EXITS = {
    "all is well": ([ok("a", "fine")], 0, "ok"),
    "a warning": ([ok("a", "fine"), warning("b", "slow", "hurry")], 0, "warning"),
    "wrong": ([wrong("a", "gone", "get it"), warning("b", "slow", "hurry")], 1, "wrong"),
}


@pytest.mark.parametrize(("findings", "code", "state"), EXITS.values(), ids=EXITS)
def test_the_exit_status_says_it(
    findings: list[Finding],
    code: int,
    state: str,
    infill: Infill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = [Check(each.name, lambda each=each: each, 5.0) for each in findings]
    monkeypatch.setattr(command, "checks", lambda *_: looks)
    outcome = infill("doctor")
    assert outcome.code == code
    assert [line.split()[0] for line in outcome.out.splitlines() if "fix: " not in line] == [
        str(each.state) for each in findings
    ]
    assert [
        words for line in outcome.out.splitlines() if (words := line.partition("fix: ")[2])
    ] == [each.fix for each in findings if each.fix]
    outcome = infill("doctor", "--json")
    assert (outcome.code, json.loads(outcome.out)["state"]) == (code, state)


def test_all_of_it_on_this_machine(
    infill: Infill, store: Path, meeting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "user_files", lambda: iter(()))
    outcome = infill("doctor", "--json", "--device", "cpu")
    told = json.loads(outcome.out)
    states = {each["name"]: each["state"] for each in told["findings"]}
    for name in ("python", "torch", "kernel", "model", "memory", "socket", "environment"):
        assert states[name] == "ok", told
    assert examination.checks("embedded", None, False)[0].name == "python"


def test_a_mend_belongs_to_what_is_not_ok() -> None:
    with pytest.raises(ValueError, match="a fix belongs"):
        Finding("a", OK, "fine", "fix")
    with pytest.raises(ValueError, match="a fix belongs"):
        Finding("a", WRONG, "gone")
