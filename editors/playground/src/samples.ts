/** Code to begin with; `???` stands for a hole. */

export type Sample = { name: string; language: string; text: string };

export const SAMPLES: Sample[] = [
  {
    name: "a class, two holes",
    language: "python",
    text: `class Account:
    """What somebody has in a bank."""

    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = ???

    def deposit(self, amount):
        if amount <= 0:
            raise ???
        self.balance += amount

    def withdraw(self, amount):
        if amount <= 0:
            raise ValueError("amount must be positive")
        self.balance -= amount
`,
  },
  {
    name: "a class, one hole",
    language: "python",
    text: `class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = ???

    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)

    def __repr__(self):
        return f"Point({self.x}, {self.y})"
`,
  },
  {
    name: "a function, one hole",
    language: "python",
    text: `import json
from pathlib import Path


def read_settings(path):
    """The settings in a file; none where there is no file."""
    path = Path(path)
    if not path.exists():
        return {}
    with path.open(encoding="utf-8") as file:
        settings = ???
    return settings


def write_settings(path, settings):
    path = Path(path)
    with path.open("w", encoding="utf-8") as file:
        json.dump(settings, file, indent=2)
`,
  },
  {
    name: "TypeScript, one hole",
    language: "typescript",
    text: `interface Point {
  x: number;
  y: number;
}

export function add(a: Point, b: Point): Point {
  return { x: a.x + b.x, y: a.y + b.y };
}

export function subtract(a: Point, b: Point): Point {
  return ???;
}

export function scale(a: Point, factor: number): Point {
  return { x: a.x * factor, y: a.y * factor };
}
`,
  },
  { name: "your own", language: "python", text: "" },
];
