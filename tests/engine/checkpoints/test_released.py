"""The masked models of the catalog, from a hub on this machine to a fill; all of their layouts, and
none of their weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import Qwen2Tokenizer

from engine.api import FillRequest, ModelMissing, Shape
from engine.checkpoints import catalog, plan
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.derived import profile_of
from engine.checkpoints.survey import released as as_published
from engine.checkpoints.tokenizer import tokenizer_of
from engine.fill.load import load_engine
from engine.training.export import write_profile
from tests.engine.checkpoints.hub import no_other_hub
from tests.engine.checkpoints.released import BY_NAME, ENDOFTEXT, WORD, WORDS, files, pulled

LINE = FillRequest(("def f(a):\n    return ", "\n\n\nf(1)\n"), "python", shape=Shape.LINE)
REQUESTS = [
    LINE,
    replace(LINE, texts=("", "\n")),
    replace(LINE, texts=("fn main() {\n    let y = ", ";\n}\n"), language="rust"),
    replace(LINE, texts=("def f(a):\n    ", "\n\nf(1)\n"), shape=Shape.BLOCK),
    FillRequest(("a = ", "\nb = ", "\n"), "python", max_tokens=5),
]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with no_other_hub(monkeypatch, tmp_path):
        yield


@pytest.mark.parametrize("name", BY_NAME)
def test_a_release_is_pulled_planned_loaded_and_asked(name: str) -> None:
    release, folder = BY_NAME[name], pulled(name)
    here = {path.name for path in folder.iterdir()}
    assert not {each for each in here if each.endswith((".py", ".bin"))}
    assert here >= {"config.json", "vocab.json", "merges.txt", "added_tokens.json"}

    checkpoint = open_checkpoint(folder)
    masked = checkpoint.config.masked
    assert masked is not None
    assert masked.mask == release.id_of(release.mask)
    assert masked.shift is (name != "tiny-a2d-0.5b")
    profile = profile_of(folder, checkpoint.config)
    assert profile.tokens.noise == (masked.mask,)
    # Nothing that a tokenizer adds is text; DreamOn's end of a text deletes, and its <|expand|>
    # becomes two masks.
    added = {WORDS + at for at in range(len(release.added))}
    assert {*profile.tokens.never} == added - {masked.slack, masked.expand}
    cpu = torch.device("cpu")
    there = profile_of(folder, checkpoint.config, "cpu")
    assert there.tokens == profile.tokens
    assert plan.fit(name, checkpoint, there, cpu, torch.float32).profile == there

    engine = load_engine(name, "cpu")
    assert engine.info.confidence == "not calibrated"
    for request in REQUESTS:
        fill = engine.fill(request)
        assert len(fill.texts) == request.holes
        for text in fill.texts:
            assert WORD in text
            assert "<" not in text


EXPECTED = {
    "open-dcoder-0.5b": (None, ENDOFTEXT, None),
    "dreamon-7b": (WORDS + 5, ENDOFTEXT, ENDOFTEXT),
    "dream-coder-7b": (WORDS + 5, ENDOFTEXT, None),
    "dream-coder-7b-base": (WORDS + 5, ENDOFTEXT, None),
    "diffucoder-7b": (WORDS + 5, ENDOFTEXT, None),
    "tiny-a2d-0.5b": (None, WORDS + 2, None),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_text_begins_and_ends_and_slackens_as_its_release_says(name: str) -> None:
    folder = pulled(name)
    tokens = profile_of(folder, open_checkpoint(folder).config).tokens
    assert (tokens.bos, tokens.eos, tokens.slack) == EXPECTED[name]


@pytest.mark.parametrize("name", BY_NAME)
def test_its_own_profile_goes_before_the_derived_one(name: str) -> None:
    folder = pulled(name)
    config = open_checkpoint(folder).config
    derived = profile_of(folder, config)
    write_profile(derived.but(name="mine", steps=3), folder)
    assert profile_of(folder, config) == derived.but(name="mine", steps=3)


TEXTS = [
    "def add(a, b):\n    return a + b\n",
    'fn main() {\n\tlet été = "naïve"; // 12345\n}\r\n',
    "  \n\n   x = '''it's'''  \n",
    "日本語 emoji 🎉\u200d e\u0301 <|mask|> <|endoftext|>",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_tokenizer_in_parts_cuts_as_transformers_does(text: str, tmp_path: Path) -> None:
    for name, content in files(BY_NAME["dreamon-7b"]).items():
        if name in ("vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json"):
            (tmp_path / name).write_bytes(content)
    ours = tokenizer_of(tmp_path)
    theirs = Qwen2Tokenizer(
        vocab=json.loads((tmp_path / "vocab.json").read_text("utf-8")),
        merges=[
            tuple(line.split(" "))
            for line in (tmp_path / "merges.txt").read_text("utf-8").splitlines()[1:]
        ],
    )
    ids = ours.encode(text, add_special_tokens=False).ids
    if "<|" not in text:  # theirs makes a token of what ours leaves text
        assert ids == theirs.encode(text, add_special_tokens=False)
    assert max(ids, default=0) < WORDS
    assert ours.token_to_id("<|mask|>") == WORDS + 6


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("merges.txt", b"#version: 0.2\na b c\n", "merges.txt and vocab.json do not fit"),
        ("merges.txt", b"no such\n", "merges.txt and vocab.json do not fit"),
        ("vocab.json", b"[]", "holds no JSON object"),
        ("vocab.json", None, "cannot read .*tokenizer.json"),
    ],
)
def test_a_damaged_tokenizer_is_told(
    name: str, content: bytes | None, says: str, tmp_path: Path
) -> None:
    for each, given in files(BY_NAME["dreamon-7b"]).items():
        (tmp_path / each).write_bytes(given)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelMissing, match=says):
        tokenizer_of(tmp_path)


def test_what_is_planned_before_a_pull_is_what_the_publishers_report() -> None:
    """The weights of each shape take what its repository has, but for small files."""
    for name in BY_NAME:
        entry = catalog.find(name)
        config, _ = as_published(entry)
        weights = plan.weight_bytes(config, entry.format)
        assert weights == pytest.approx(entry.download, rel=0.02), name
