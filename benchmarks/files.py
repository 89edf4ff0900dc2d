"""Files in which a language server may be slow: a long one, and some whose syntax is deep."""

from __future__ import annotations


def long_file(lines: int) -> str:
    """Python with classes, holes and strings, and a letter beyond ASCII."""
    block = (
        "class Basket{n}:\n"
        '    """One of many: größer."""\n\n'
        "    def total(self, items: list[Item], *, tax: float = 0.2) -> float:\n"
        "        # TODO: sum the prices\n"
        "        price = ...\n"
        "        return round(price * (1 + tax), 2)\n\n"
        "    def clear(self) -> None:\n"
        "        self.items = {{}}\n\n\n"
    )
    count = lines // block.count("\n") + 1
    return "".join(block.format(n=n) for n in range(count))


def deep_files() -> dict[str, tuple[str, str]]:
    """Language and text, by what is deep or long there."""
    return {
        "a long expression": (
            "python",
            "def f(a, b):\n    x = (\n" + "        a +\n" * 5000 + "        b\n    )\n",
        ),
        "else if": (
            "javascript",
            "function f(a) {\n  " + "if (a) {\n    b()\n  } else " * 2000 + "{}\n}\n",
        ),
        "brackets": ("c", "int f(int a) {\n  return " + "(" * 500 + "a" + ")" * 500 + ";\n}\n"),
        "a long body": ("java", "class A { int f() {\n" + "  b(a);\n" * 5000 + "}}\n"),
    }
