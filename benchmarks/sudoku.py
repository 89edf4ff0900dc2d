"""Can a model be taught to solve Sudoku, from nothing to solved, in minutes on a processor?

    python benchmarks/sudoku.py [--minutes 4] [--box 2x2] [--blanks 10] [--json] [--write]

The demonstration that diffusion models are shown with, by the same parts that everything else has:
a tiny masked model with random weights, which reads in both directions, is taught by what
`infill-ls tune` teaches with (engine/tuning/learner.py: low-rank differences, nothing else of it
changes), and then asked as an editor asks. A puzzle is a text with a hole for each blank cell. What
is given is pinned on the canvas; every hole carries a constraint, one of the digits. Puzzles have
one solution, and those that are told of are of grids that were not taught: of 4 x 4 cells there
are 288 grids in all, of 6 x 6 (--box 2x3) 28 million. --write puts the table into
benchmarks/results/sudoku.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import nn

from engine.api import Constraint, EngineInfo, FillRequest, Shape
from engine.checkpoints.profile import UNTRAINED_FOR_GAPS
from engine.fill.infill import LocalEngine
from engine.models.dense import Bidirectional, Config, Masking
from engine.models.dense.rope import Rope
from engine.tuning.learner import Learner, Settings
from engine.tuning.lessons import Canvas, Lesson

RESULT = Path(__file__).parent / "results" / "sudoku.md"
PAD, EOS, MASK, UNKNOWN = range(4)
LABELS = "abcdefghi"  # of the rows, so that a cell can tell in which it is
CANVASES = 24  # puzzles of a step
HELD_OUT = 5  # one grid in so many, by its digits
PUZZLES = 40  # that are solved before and after
TRIES = 50  # grids, until one has a puzzle with so many blanks


@dataclass(frozen=True, slots=True)
class Board:
    """Boxes of `rows` x `columns` cells, and grids of as many digits: a grid is a list of its
    digits, 1 to `side`, row by row; 0 for a blank."""

    rows: int
    columns: int

    @property
    def side(self) -> int:
        return self.rows * self.columns

    @property
    def digits(self) -> tuple[str, ...]:
        return tuple("123456789"[: self.side])

    def peers(self, cell: int) -> set[int]:
        """The cells that may not have the digit of `cell`."""
        row, column = divmod(cell, self.side)
        top, left = row // self.rows * self.rows, column // self.columns * self.columns
        box = {
            (top + r) * self.side + left + c for r in range(self.rows) for c in range(self.columns)
        }
        line = {row * self.side + c for c in range(self.side)}
        return (line | {r * self.side + column for r in range(self.side)} | box) - {cell}

    def solutions(self, grid: list[int], rng: random.Random, most: int) -> Iterator[list[int]]:
        """At most `most` ways to fill the blanks of `grid`, in an order that `rng` draws."""
        blanks = [cell for cell, digit in enumerate(grid) if not digit]
        if not blanks:
            yield list(grid)
            return
        fits = {
            cell: {*range(1, self.side + 1)} - {grid[peer] for peer in self.peers(cell)}
            for cell in blanks
        }
        cell = min(blanks, key=lambda each: (len(fits[each]), rng.random()))
        for digit in rng.sample(sorted(fits[cell]), len(fits[cell])):
            filled = [*grid[:cell], digit, *grid[cell + 1 :]]
            for found in self.solutions(filled, rng, most):
                yield found
                most -= 1
                if not most:
                    return

    def grid(self, rng: random.Random, *, held_out: bool) -> list[int]:
        """A full grid, of those that are taught or of those that are not."""
        while True:
            found = next(self.solutions([0] * self.side**2, rng, 1))
            if (random.Random(str(found)).randrange(HELD_OUT) == 0) == held_out:
                return found

    def puzzle(self, blanks: int, rng: random.Random) -> tuple[list[int], list[int]]:
        """One with so many blanks and one solution, of a grid that is not taught, and the grid."""
        for _ in range(TRIES):
            grid = self.grid(rng, held_out=True)
            puzzle, left = list(grid), blanks
            for cell in rng.sample(range(len(grid)), len(grid)):
                emptied = [*puzzle[:cell], 0, *puzzle[cell + 1 :]]
                if left and len(list(self.solutions(emptied, rng, 2))) == 1:
                    puzzle, left = emptied, left - 1
            if not left:
                return puzzle, grid
        raise SystemExit(f"no grid had a puzzle with {blanks} blanks: ask for fewer")

    def text(self, grid: list[int]) -> str:
        """Row by row, each behind its label, on one line."""
        return "".join(
            LABELS[row] + "".join(map(str, grid[row * self.side : (row + 1) * self.side]))
            for row in range(self.side)
        )


def tokenizer_of(board: Board) -> Tokenizer:
    """A token for each label and digit."""
    names = ["<pad>", "<eos>", "<mask>", "<unknown>", *LABELS[: board.side], *board.digits]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(names[:4])
    tokenizer.encode_special_tokens = True
    return tokenizer


def model_of(vocabulary: int, seed: int) -> Bidirectional:
    """A tiny one, all of whose weights are random."""
    torch.manual_seed(seed)
    config = Config(
        vocab_size=vocabulary, hidden_size=96, intermediate_size=192, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=4, head_dim=24, max_position_embeddings=256,
        rms_norm_eps=1e-5, rope=Rope(1000.0), qkv_bias=False, output_bias=False, mlp_bias=False,
        qk_norm=True, tied=False, masking=Masking("bidirectional", shift=False, mask=MASK),
    )  # fmt: skip
    model = Bidirectional(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
        else:
            nn.init.ones_(parameter)
    return model


def engine_of(model: Bidirectional, tokenizer: Tokenizer, board: Board) -> LocalEngine:
    """The surest cell first, one at a step: as masked models are published."""
    cells = board.side**2
    profile = UNTRAINED_FOR_GAPS.but(
        name="sudoku", bos=None, eos=None, pad=PAD, first_text=UNKNOWN + 1, noise=(MASK,),
        width=2 * (cells + board.side), head_tokens=cells + board.side, line_tokens=(1,),
        block_tokens=(1,), suffix_tokens=None, padded=False, heal=False, each_hole=False,
        steps=cells, tokens_per_step=1, order="confidence", greedy=True, t_max=1.0, t_min=1.0,
        self_conditioning=False, beams=0, lookup=False,
    )  # fmt: skip
    return LocalEngine(model.eval(), tokenizer, profile, EngineInfo("sudoku", "cpu"))


def lesson_of(board: Board, tokenizer: Tokenizer, number: int) -> Lesson:
    """Grids with more or fewer cells masked; number N is always the same one."""
    rng = random.Random(f"lesson {number}")
    canvases = []
    for _ in range(CANVASES):
        ids = tokenizer.encode(board.text(board.grid(rng, held_out=False))).ids
        cells = [at for at in range(len(ids)) if at % (board.side + 1)]
        masked = sorted(rng.sample(cells, rng.randint(1, len(cells) * 3 // 4)))
        seen = [MASK if at in set(masked) else id for at, id in enumerate(ids)]
        wanted, weights = [ids[at] for at in masked], [1.0] * len(masked)
        canvases.append(Canvas([], seen, masked, wanted, weights, [True] * len(masked), []))
    return Lesson([], canvases)


def request_of(board: Board, puzzle: list[int]) -> FillRequest:
    """Text around a hole for each blank, each of which holds a digit."""
    texts = board.text(puzzle).split("0")
    digits = Constraint(board.digits)
    return FillRequest(
        tuple(texts), shape=Shape.LINE, max_tokens=1, constraint=(digits,) * (len(texts) - 1)
    )


@dataclass(frozen=True, slots=True)
class Solved:
    """Shares of the puzzles, and of their blanks, that are right; of the puzzles whose answers are
    nothing but digits; seconds for one."""

    puzzles: float
    cells: float
    obeyed: float
    seconds: float


def solve(engine: LocalEngine, board: Board, blanks: int) -> Solved:
    rng, started = random.Random("puzzles"), time.process_time()
    whole, right, obeyed = 0, 0, 0
    for _ in range(PUZZLES):
        puzzle, grid = board.puzzle(blanks, rng)
        request = request_of(board, puzzle)
        texts = engine.fill(request).texts
        wanted = [str(digit) for cell, digit in enumerate(grid) if not puzzle[cell]]
        right += sum(text == digit for text, digit in zip(texts, wanted, strict=True))
        whole += list(texts) == wanted
        obeyed += all(text in board.digits for text in texts)
    seconds = (time.process_time() - started) / PUZZLES
    return Solved(whole / PUZZLES, right / (PUZZLES * blanks), obeyed / PUZZLES, seconds)


def teach(
    learner: Learner,
    board: Board,
    tokenizer: Tokenizer,
    seconds: float,
    show: Callable[[str], None],
) -> None:
    """For so many seconds of processor: on a machine with other work the wall says nothing."""
    started, told = time.process_time(), 0.0
    while (spent := time.process_time() - started) < seconds:
        lesson = lesson_of(board, tokenizer, learner.progress.steps)
        learner.step([lesson], spent / seconds, self_conditioning=False)
        if spent - told > seconds / 10:
            told = spent
            show(f"{spent:.0f} of {seconds:.0f} s, loss {learner.progress.loss:.3f}")


def as_table(before: Solved, after: Solved, told: str) -> str:
    rows = [
        f"| {when} | {each.puzzles:.0%} | {each.cells:.0%} | {each.obeyed:.0%} |"
        f" {1000 * each.seconds:.0f} |"
        for when, each in (("before", before), ("after", after))
    ]
    return "\n".join(
        [
            "# From nothing to solved",
            "",
            told,
            "",
            "| | puzzles solved | blanks right | nothing but digits |"
            " ms of processor for a puzzle |",
            "| --- | ---: | ---: | ---: | ---: |",
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--box", default="2x2")
    parser.add_argument("--blanks", type=int, default=10)
    parser.add_argument("--rank", type=int, default=48)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    board = Board(*map(int, options.box.split("x")))
    tokenizer = tokenizer_of(board)
    model = model_of(tokenizer.get_vocab_size(), seed=0)
    settings = Settings(options.rank, options.rate, causal_weight=0.0, lessons=1)
    size = sum(each.numel() for each in model.parameters())
    before = solve(engine_of(model, tokenizer, board), board, options.blanks)
    learner = Learner(model, settings)
    learned = sum(each.numel() for each in learner.learned.values())
    teach(learner, board, tokenizer, 60 * options.minutes, lambda line: print(line, flush=True))
    after = solve(engine_of(model, tokenizer, board), board, options.blanks)
    told = (
        f"`python benchmarks/sudoku.py --minutes {options.minutes:g} --box {options.box} --blanks"
        f" {options.blanks}`, {date.today()}: {PUZZLES} puzzles of {board.side} x {board.side}"
        f" cells with {options.blanks} blanks and one solution each, of grids that were not taught."
        f" A model of {size:,} random weights learned {learned:,} beside them, in"
        f" {learner.progress.steps:,} steps of {CANVASES} grids: {options.minutes:g} minutes of one"
        f" processor ({platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__})."
    )
    table = as_table(before, after, told)
    report = {"before": asdict(before), "after": asdict(after), "steps": learner.progress.steps}
    print(json.dumps(report) if options.json else table)
    if options.write:
        RESULT.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
