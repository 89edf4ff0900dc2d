"""Programs for a process of their own, whose time and memory are then those of one thing alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def run(program: str, *arguments: object) -> dict[str, Any]:
    """What one of the programs below prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        # What is freed goes back at once: the peak is what was held, and not what was kept.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# Linux counts what the process that started it held into the peak that getrusage gives.
WALK = """
import json, re, resource, sys, time
from pathlib import Path
import torch
from engine.checkpoints import plan
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.profile import INSTRUCT

def peak():
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1])

began = time.perf_counter()
checkpoint = open_checkpoint(Path(sys.argv[1]))
weights = plan.loaded_bytes(checkpoint, torch.bfloat16, packed=True)
chosen = plan.choose("it", checkpoint.config, weights, 24_000_000_000, INSTRUCT)
print(json.dumps({
    "seconds": time.perf_counter() - began,
    "peak": peak(),
    "format": checkpoint.format,
    "placed": len(checkpoint.placed),
    "weights": weights,
    "use": str(chosen.use),
}))
"""

# Every weight is let go as soon as it is made, as where it goes to a card.
STREAM = """
import json, re, sys, threading, time
from pathlib import Path
import torch
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.formats import nbytes
from engine.checkpoints.load import read_weights

def beside_the_mapping():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"RssAnon:\\s+(\\d+) kB", status)[1])

torch.set_num_threads(1)
checkpoint = open_checkpoint(Path(sys.argv[1]))
peak = before = beside_the_mapping()
largest = read = 0
began = time.perf_counter()
done = threading.Event()

def watch():
    global peak
    while not done.wait(0.002):
        peak = max(peak, beside_the_mapping())

watching = threading.Thread(target=watch)
watching.start()
for name, weight in read_weights(checkpoint, torch.device("cpu"), torch.bfloat16):
    largest, read = max(largest, nbytes(weight)), read + nbytes(weight)
    del weight
done.set()
watching.join()
seconds = time.perf_counter() - began
print(json.dumps({"peak": peak - before, "largest": largest, "read": read, "seconds": seconds}))
"""

# Weights that stay what is mapped count as they are planned; what else the file takes can be had
# back by the system at any time. A first fill has read all of it.
FILL = """
import gc, json, re, sys
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)

from engine.api import FillRequest, Shape
from engine.checkpoints import plan
from engine.checkpoints.catalog import folder_of
from engine.checkpoints.checkpoint import open_checkpoint
from engine.fill import beam
from engine.fill.load import load_engine
from engine.models.branches import Branches

def status(key):
    gc.collect()
    told = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{key}:\\s+(\\d+) kB", told)[1])

def fill(engine, characters):
    prefix = (3 * text)[:characters] + "\\n    x = "
    request = FillRequest((prefix, "\\n" + text), shape=Shape.BLOCK, max_tokens=256, steps=3)
    return engine.fill(request)

if "many" in sys.argv:  # candidates, whatever they are worth
    beam.CHAINS, beam.MARGIN, beam.FLOOR, beam.OPEN = 16, 30.0, -40.0, -30.0

text = Path("tests/engine/checkpoints/filled.txt").read_text()  # as it is, whatever is edited
warm = load_engine(sys.argv[1], "cpu")
fill(warm, 1000)
del warm
before = status("RssAnon")
read = [0]  # tokens that ranking reads, of all candidates
made = Branches.of
def counted(*arguments):
    branches = made(*arguments)
    read.append(len(branches.ids))
    return branches
Branches.of = counted

engine = load_engine(sys.argv[1], "cpu")
copied = status("RssAnon") - before
fill(engine, 1000)
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
fill(engine, len(text))
peak = status("VmHWM") - status("RssFile") - before

checkpoint, dtype = open_checkpoint(folder_of(sys.argv[1])), engine.model.dtype
weights = plan.loaded_bytes(checkpoint, dtype, packed=False)
use = plan.use_of(engine.profile, engine.profile.canvas.prompt_tokens)
# There is no draft, and fewer candidates than there might be.
use = replace(use, candidates=len(engine.profile.canvas.block_tokens), ranked=max(read))
planned = plan.needs(checkpoint.config, weights, use, "cpu", dtype.itemsize)
print(json.dumps({
    "measured": peak + max(0, weights - copied),
    "planned": planned.total,
    "parts": str(planned),
    "use": str(use),
    "ranked": max(read),
}))
"""
