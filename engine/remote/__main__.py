"""`python -m engine.remote ADDRESS`: what a server serves, and which way it would be asked.

One JSON object on stdout: the fields of `EngineInfo`, and `fault`, null or why it cannot be asked.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from engine.api import EngineError
from engine.remote.engine import load_remote


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        sys.exit("give the address of a server, http(s)://machine:port/v1")
    try:
        print(json.dumps({**asdict(load_remote(arguments[0]).info), "fault": None}))
    except EngineError as error:
        print(json.dumps({"fault": str(error)}))


if __name__ == "__main__":
    main(sys.argv[1:])
