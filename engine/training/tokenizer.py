"""Train the embedded model's tokenizer: a byte-level BPE of 4096 tokens.

Pieces are cut so that a gap's seams fall between tokens: a newline is a token of its own, an
indentation is taken whole, and a word may carry one character in front (a space, `.`, `_`, `(`).
Every string survives encode and decode unchanged.

Whoever encodes text from a buffer sets `encode_special_tokens = True` on the loaded tokenizer
(in transformers: `split_special_tokens=True`). The flag is not kept in the file, and without it
a literal "<mask>" in the text becomes the mask token.
"""

import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from engine.training.source import Source, read_sources

VOCABULARY = 4096
SPECIAL_TOKENS = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<del>", "<sep>"]
SPECIAL_TOKENS += [f"<reserved{i}>" for i in range(len(SPECIAL_TOKENS), 16)]
SAMPLE_BYTES = 35_000_000
EMBEDDED = Path(__file__).parents[1] / "embedded" / "tokenizer.json"

PIECE = "|".join(
    (
        r"\r?\n",
        r"[^\S\r\n]{2,}|\t",
        r"[^\r\n\p{L}\p{N}\s]?\p{L}+",
        r" \p{L}+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+",
        r"\s",
    )
)


def train(
    corpus: Path = Path("build/corpus"), out: Path = EMBEDDED, size: int | None = None
) -> Tokenizer:
    """Learn `size` tokens (None: VOCABULARY) from the first SAMPLE_BYTES of `corpus`/train.jsonl,
    and save them."""
    tokenizer = untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=size or VOCABULARY,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=25,  # exclusive: an indentation of 24 is one token
        show_progress=False,
    )
    tokenizer.train_from_iterator(sample(read_sources(corpus / "train.jsonl")), trainer)
    out.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out))
    return tokenizer


def untrained() -> Tokenizer:
    """Cuts text into pieces and bytes, but has no tokens yet."""
    tokenizer = Tokenizer(models.BPE())
    cut = pre_tokenizers.Split(Regex(PIECE), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def sample(sources: Iterator[Source]) -> Iterator[str]:
    """Texts to learn from. One in fifty has CRLF line ends and one in fifty tabs for indentation:
    the corpus has neither, and buffers have both."""
    taken = 0
    for i, source in enumerate(sources):
        text = source.text
        if i % 50 == 1:
            text = text.replace("\n", "\r\n")
        elif i % 50 == 2:
            text = text.replace("    ", "\t")
        taken += len(text.encode())
        if taken > SAMPLE_BYTES:
            return
        yield text


def report(tokenizer: Tokenizer, held_out: Path) -> str:
    """How densely and how fast it encodes text it was not trained on; fails if any is changed."""
    tokenizer.encode_special_tokens = True
    texts = [source.text for source in read_sources(held_out)]
    started = time.perf_counter()
    encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    seconds = time.perf_counter() - started
    for text, encoding in zip(texts, encodings, strict=True):
        if tokenizer.decode(encoding.ids, skip_special_tokens=False) != text:
            raise ValueError(f"not encoded faithfully: {text[:60]!r}")
    n_chars, n_tokens = sum(map(len, texts)), sum(len(encoding.ids) for encoding in encodings)
    used = len(set(itertools.chain.from_iterable(encoding.ids for encoding in encodings)))
    return (
        f"held-out: {n_chars / n_tokens:.2f} chars/token, {n_tokens} tokens, "
        f"{used} of {tokenizer.get_vocab_size()} in use, {1e6 * seconds / n_chars:.2f} s/MB"
    )


if __name__ == "__main__":
    folder = Path(*sys.argv[1:2] or ["build/corpus"])
    print(report(train(folder), folder / "held_out.jsonl"))
