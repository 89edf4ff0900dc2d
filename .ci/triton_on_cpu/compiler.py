from __future__ import annotations

from typing import Any

from triton.backends.compiler import BaseBackend, GPUTarget


class Backend(BaseBackend):
    binary_ext = ""

    @staticmethod
    def supports_target(target: GPUTarget) -> bool:
        return target.backend == "cpu"

    def hash(self) -> str:
        return "cpu"

    def parse_options(self, options: dict[str, Any]) -> object:
        return None

    def add_stages(self, *_: Any) -> None:
        pass

    def load_dialects(self, context: Any) -> None:
        pass

    def get_module_map(self) -> dict[str, Any]:
        return {}
