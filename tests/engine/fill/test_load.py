"""What loading a model and filling with it brings into the process."""

from __future__ import annotations

import subprocess
import sys


def test_neither_loading_nor_filling_imports_a_compiler() -> None:
    """torch's takes longer than everything else that a new host does before its first answer."""
    code = (
        "import sys\n"
        "from engine.api import FillRequest\n"
        "from engine.fill.load import load_engine\n"
        "load_engine('embedded', 'cpu').fill(FillRequest(('x = ', '\\n')))\n"
        "print(*{'torch._dynamo', 'torch._inductor', 'sympy'} & sys.modules.keys())\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
