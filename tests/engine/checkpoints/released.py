"""The models of the catalog that fill masks, as their repositories lay them out, at tiny size.

Weights are made and saved by the classes of `transformers` that they were made of. A model here has
learnt one thing, to write WORD wherever a token is unknown: what it says can be told from noise.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import Qwen2Config, Qwen2ForCausalLM

from engine.checkpoints import catalog
from engine.checkpoints.download import pull
from engine.checkpoints.tokenizer import QWEN2_WORDS
from tests.engine.checkpoints.hub import Hub, serving

WORD = "x"
WORDS = 384  # of the vocabulary; what is added comes after them
ROWS = 448  # of the embedding: releases fill it up to a round number
SOURCE = Path(catalog.__file__).read_text(encoding="utf-8")
CODE = b"raise SystemExit('code of a model was run')\n"

# Ids as the releases number them: behind the vocabulary, one after the other.
QWEN = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "<|fim_prefix|>"]
ENDOFTEXT = WORDS
SHAPE: dict[str, Any] = {
    "vocab_size": ROWS,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    "bos_token_id": ENDOFTEXT,
    "eos_token_id": ENDOFTEXT,
}


@dataclass(frozen=True, slots=True)
class Release:
    """One layout: the tokens that the tokenizer adds, and what the folder has beside weights.
    `names` are those of the catalog that are laid out so."""

    names: tuple[str, ...]
    added: tuple[str, ...]
    mask: str
    config: dict[str, Any]
    tokenizer_config: dict[str, Any]
    generation_config: dict[str, Any]
    has_tokenizer_json: bool
    tied: bool
    shards: bool

    def id_of(self, text: str) -> int:
        return WORDS + self.added.index(text)


def _open_dcoder() -> Release:
    added = (*QWEN, "<M>")
    return Release(
        names=("open-dcoder-0.5b",),
        added=added,
        mask="<M>",
        config={"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"},
        tokenizer_config={"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
        generation_config={"eos_token_id": ENDOFTEXT},
        has_tokenizer_json=True,
        tied=True,
        shards=False,
    )


def _dream(names: tuple[str, ...], *more: str, **generation: Any) -> Release:
    added = (*QWEN, "<|beginoftext|>", "<|mask|>", *more)
    auto = {
        "AutoConfig": "configuration_dream.DreamConfig",
        "AutoModel": "modeling_dream.DreamModel",
    }
    return Release(
        names=names,
        added=added,
        mask="<|mask|>",
        config={
            "architectures": ["DreamModel"],
            "auto_map": auto,
            "model_type": "Dream",
            "mask_token_id": WORDS + added.index("<|mask|>"),
            "pad_token_id": ENDOFTEXT,
        },
        tokenizer_config={
            "bos_token": "<|beginoftext|>",
            "eos_token": {"content": "<|endoftext|>", "special": True},
            "pad_token": "<|endoftext|>",
            "tokenizer_class": "DreamTokenizer",
        },
        generation_config={"eos_token_id": ENDOFTEXT, **generation},
        has_tokenizer_json=False,
        tied=False,
        shards=True,
    )


def _tiny_a2d() -> Release:
    """It says that its head is tied, and stores one."""
    return Release(
        names=("tiny-a2d-0.5b",),
        added=(*QWEN, "<|mask|>"),
        mask="<|mask|>",
        config={
            "architectures": ["A2DQwen2LMHeadModel"],
            "auto_map": {"AutoModelForMaskedLM": "modeling_qwen2.A2DQwen2LMHeadModel"},
            "model_type": "a2d-qwen2",
            "tie_word_embeddings": True,
        },
        tokenizer_config={"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        generation_config={"eos_token_id": [WORDS + 2, ENDOFTEXT]},
        has_tokenizer_json=True,
        tied=False,
        shards=False,
    )


RELEASES = (
    _open_dcoder(),
    _dream(("dreamon-7b",), "<|expand|>", expand_token_id=WORDS + 7, delete_token_id=ENDOFTEXT),
    _dream(("dream-coder-7b", "dream-coder-7b-base"), alg="entropy"),
    _dream(("diffucoder-7b",), "<|dlm_pad|>"),
    _tiny_a2d(),
)
BY_NAME = {name: release for release in RELEASES for name in release.names}


def pulled(name: str) -> Path:
    """The folder of a model of the catalog, from a hub on this machine, in `$INFILL_MODELS`."""
    entry = catalog.find(name)
    with serving(Hub(entry.repository, files(BY_NAME[name]))) as hub:
        return pull(entry, catalog.store(), endpoint=hub.url)


def files(release: Release) -> dict[str, bytes]:
    """What the repository has, by name."""
    with tempfile.TemporaryDirectory() as folder:
        _save_weights(release, Path(folder))
        found = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    saved = json.loads(found["config.json"])
    vocabulary, merges = bytes_and_merges()
    added = {text: WORDS + at for at, text in enumerate(release.added)}
    found |= {
        "config.json": _json({**saved, **release.config}),
        "generation_config.json": _json(release.generation_config),
        "added_tokens.json": _json(added),
        "tokenizer_config.json": _json(
            {
                **release.tokenizer_config,
                "added_tokens_decoder": {
                    str(number): {"content": text, "special": not text.startswith("<tool")}
                    for text, number in added.items()
                    if text != "<M>"  # its release says so in added_tokens.json alone
                },
            }
        ),
        "special_tokens_map.json": _json({}),
        "vocab.json": _json(vocabulary),
        "merges.txt": ("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)).encode(),
        "chat_template.jinja": b"{{ messages }}",
        "README.md": b"# a model\n",
        "modeling_dream.py": CODE,
        "pytorch_model.bin": b"a pickle",
    }
    if release.has_tokenizer_json:
        found["tokenizer.json"] = _tokenizer_json(release, added)
    return found


@cache
def bytes_and_merges() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A byte-level vocabulary of WORDS, and the merges that make it."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = _cuts()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=WORDS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([SOURCE], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [(left, right) for left, right in model["merges"]]


def _cuts() -> Any:
    from tokenizers import Regex

    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _tokenizer_json(release: Release, added: dict[str, int]) -> bytes:
    vocabulary, merges = bytes_and_merges()
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer, tokenizer.decoder = _cuts(), decoders.ByteLevel()
    for text in added:
        add: Callable[[list[str]], int] = (
            tokenizer.add_tokens if text == "<tool_call>" else tokenizer.add_special_tokens
        )
        if text != "<M>":
            add([text])
    return tokenizer.to_str().encode()


def _save_weights(release: Release, folder: Path) -> None:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(**SHAPE, tie_word_embeddings=release.tied))
    vocabulary, _ = bytes_and_merges()
    with torch.no_grad():
        # Whatever stands at a place, its state points nearly one way, where WORD's row is longest.
        one_way = 0.02 * torch.randn(ROWS, SHAPE["hidden_size"])
        one_way[:, 0] = 1.0
        for weight in {model.model.embed_tokens.weight, model.lm_head.weight}:
            weight.copy_(one_way)
            weight[vocabulary[WORD], 0] = 4.0
    options = {"max_shard_size": "20KB"} if release.shards else {}
    model.save_pretrained(folder, **options)


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=1).encode()
