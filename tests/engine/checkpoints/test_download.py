"""Pulling from a hub on this machine that cuts, garbles, refuses and forgets."""

from __future__ import annotations

import errno
import json
import random
import shutil
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from huggingface_hub.utils import close_session

from engine.api import ModelMissing
from engine.checkpoints import catalog, download
from engine.checkpoints.catalog import Entry, folder_of, receipt
from engine.checkpoints.download import Progress, PullFailed, pull
from tests.engine.checkpoints.hub import COMMIT, Fault, Hub, no_other_hub, serving

ENTRY = Entry("tiny", "someone/tiny", "bf16", 300_000, "none", "tests")
BIG = "model.safetensors"
FILES = {
    "config.json": b'{"model_type": "diffusion_gemma"}\n',
    "tokenizer.json": b"{}",
    BIG: random.Random(0).randbytes(300_000),
    "pytorch_model.bin": b"pickle",
    "onnx/model.safetensors": b"elsewhere",
    "../evil.json": b"outside",
}
KEPT = {"config.json", "tokenizer.json", BIG}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No token, proxy or setting of this machine; no pause between retries."""
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)  # 10 MB
    monkeypatch.setattr(catalog, "CATALOG", (ENTRY,))
    with no_other_hub(monkeypatch, tmp_path):
        yield


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub(ENTRY.repository, dict(FILES))) as hub:
        yield hub


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def check_whole(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == KEPT | {"pulled.json"}
    for name in KEPT:
        assert (folder / name).read_bytes() == FILES[name]
    assert folder_of("tiny") == folder
    assert json.loads((folder / "pulled.json").read_text())["revision"] == COMMIT
    assert not folder.with_name("tiny.partial").exists()


def test_a_model_comes_whole_and_only_once(hub: Hub, store: Path) -> None:
    shown: list[Progress] = []
    with pytest.raises(ModelMissing, match="infill-ls pull tiny"):
        folder_of("tiny")
    folder = pull(ENTRY, store, shown.append, hub.url)
    check_whole(folder)
    of = sum(len(FILES[name]) for name in KEPT)
    assert shown[-1] == Progress(of, of, BIG)
    assert [each.done for each in shown] == sorted(each.done for each in shown)
    asked = len(hub.seen)
    assert pull(ENTRY, store, endpoint=hub.url) == folder
    assert len(hub.seen) == asked, "what is here needs no network"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Faults that a pull gets over, and the ranges it then asked for."""

    faults: list[Fault]
    asked: list[str | None]
    ranges: bool = True
    left: bytes = b""  # of an earlier run


TROUBLES = {
    "cut once": Trouble([Fault(cut=100_000)], [None, "bytes=100000-"]),
    "cut three times": Trouble(
        [Fault(cut=100_000), Fault(cut=50_000), Fault(cut=0)],
        [None, "bytes=100000-", "bytes=150000-", "bytes=150000-"],
    ),
    "cut, and no ranges": Trouble([Fault(cut=100_000)], [None, "bytes=100000-"], ranges=False),
    "an earlier run": Trouble([], ["bytes=70000-"], left=FILES[BIG][:70_000]),
    "an earlier run, and no ranges": Trouble([], ["bytes=70000-"], False, FILES[BIG][:70_000]),
    "an earlier run ended before its last word": Trouble([], [], left=FILES[BIG]),
    "an earlier run left wrong bytes": Trouble([], ["bytes=9-", None], left=b"garbage!!"),
    "an earlier run left too much": Trouble([], [None], left=FILES[BIG] + b"more"),
    "wrong bytes once": Trouble([Fault(flip=True)], [None, None]),
    "too many bytes once": Trouble([Fault(extra=b"more")], [None, None]),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_trouble_that_is_got_over(trouble: Trouble, hub: Hub, store: Path) -> None:
    hub.faults[BIG], hub.ranges = list(trouble.faults), trouble.ranges
    if trouble.left:
        checksum = next(f["lfs"]["sha256"] for f in hub.about()["siblings"] if "lfs" in f)
        part = store / "tiny.partial" / f"{BIG}.{checksum[:12]}.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(trouble.left)
    check_whole(pull(ENTRY, store, endpoint=hub.url))
    assert hub.asked(BIG) == trouble.asked


@dataclass(frozen=True, slots=True)
class Refusal:
    """Faults that end a pull, what it says, and what of the file is kept."""

    words: tuple[str, ...]
    file: list[Fault] = field(default_factory=list)
    listing: Fault = field(default_factory=Fault)
    kept: int = 0


REFUSALS = {
    "gated": Refusal(
        ("asks for its terms to be accepted", "HF_TOKEN"), listing=Fault(403, "GatedRepo")
    ),
    "gated for the file": Refusal(("asks for its terms",), [Fault(401, "GatedRepo")]),
    "no such repository": Refusal(
        ("someone/tiny is not there", "HF_ENDPOINT"), listing=Fault(404, "RepoNotFound")
    ),
    "nobody may see it": Refusal(("answers 401", "HF_TOKEN"), listing=Fault(401)),
    "no such file": Refusal(("answers 404", "pull again"), [Fault(404, "EntryNotFound")]),
    "the server fails": Refusal(("answers 500", "is kept"), [Fault(500)]),
    "cut and cut again": Refusal(
        ("cut off", "run the same pull again"), [Fault(cut=1000), *[Fault(cut=0)] * 9], kept=1000
    ),
    "wrong bytes each time": Refusal(("wrong bytes 2 times", BIG), [Fault(flip=True)] * 2),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_what_ends_a_pull_is_told_and_nothing_half_is_taken_for_whole(
    refusal: Refusal, hub: Hub, store: Path
) -> None:
    hub.faults[BIG], hub.listing = list(refusal.file), refusal.listing
    with pytest.raises(PullFailed) as caught:
        pull(ENTRY, store, endpoint=hub.url)
    message = str(caught.value)
    for words in refusal.words:
        assert words in message
    assert "\n" not in message
    assert not (store / "tiny").exists()
    with pytest.raises(ModelMissing):
        folder_of("tiny")
    parts = list((store / "tiny.partial").glob("*.part"))
    assert sum(part.stat().st_size for part in parts) == refusal.kept
    hub.faults, hub.listing = {}, Fault()
    check_whole(pull(ENTRY, store, endpoint=hub.url))


def test_a_disk_too_small_is_found_out_before_anything_comes(
    hub: Hub, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 200_000_000))
    with pytest.raises(PullFailed, match=r"0\.2 GB free: free .* or set INFILL_MODELS"):
        pull(ENTRY, store, endpoint=hub.url)
    assert hub.asked("config.json") == []


def test_a_disk_that_fills_up_keeps_what_came(
    hub: Hub, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.faults[BIG] = [Fault(cut=100_000)]
    write = download._Part.write

    def full(part: download._Part, chunk: bytes) -> int:
        if part.tell() >= 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(part, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(download._Part, "write", full)
        with pytest.raises(PullFailed, match="is full: free some room"):
            pull(ENTRY, store, endpoint=hub.url)
    assert not (store / "tiny").exists()
    check_whole(pull(ENTRY, store, endpoint=hub.url))
    assert hub.asked(BIG) == [None, "bytes=100000-", "bytes=100000-"]


def test_a_store_that_cannot_be_written(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PullFailed, match="cannot be written"):
        pull(ENTRY, tmp_path / "file" / "models", endpoint=hub.url)


def test_a_changed_repository_is_not_mixed(hub: Hub, store: Path) -> None:
    """What came of the old revision is of no use for the new one."""
    hub.faults[BIG] = [Fault(cut=1000), *[Fault(cut=0)] * 9]
    with pytest.raises(PullFailed):
        pull(ENTRY, store, endpoint=hub.url)
    hub.files = {**FILES, BIG: b"new" * 1000, "config.json": b"{}\n" + b" " * 31}
    hub.faults, hub.seen = {}, []
    folder = pull(ENTRY, store, endpoint=hub.url)
    assert hub.asked(BIG) == [None]
    assert (folder / BIG).read_bytes() == b"new" * 1000
    assert (folder / "config.json").read_bytes() == hub.files["config.json"]


def test_a_model_damaged_since_is_none(hub: Hub, store: Path) -> None:
    folder = pull(ENTRY, store, endpoint=hub.url)
    (folder / BIG).write_bytes(b"short")
    assert receipt(folder) is None
    with pytest.raises(PullFailed, match="remove it"):
        pull(ENTRY, store, endpoint=hub.url)


def test_offline_is_respected(hub: Hub, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PullFailed, match="HF_HUB_OFFLINE"):
        pull(ENTRY, store, endpoint=hub.url)
    assert hub.seen == []


def test_the_endpoint_and_the_token_of_the_environment(
    hub: Hub, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    check_whole(pull(ENTRY, store))
    assert {token for _, _, token in hub.seen} == {"Bearer hf_secret"}


def test_the_proxy_of_the_environment(
    hub: Hub, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's name means nothing here: only the proxy, which this server plays, can answer."""
    monkeypatch.setenv("HTTP_PROXY", hub.url)
    monkeypatch.setenv("http_proxy", hub.url)
    close_session()
    check_whole(pull(ENTRY, store, endpoint="http://hub.invalid"))


def test_one_pull_at_a_time(hub: Hub, store: Path) -> None:
    from filelock import FileLock

    store.mkdir(parents=True)
    with FileLock(store / "tiny.lock"), pytest.raises(PullFailed, match="another process"):
        pull(ENTRY, store, endpoint=hub.url)
