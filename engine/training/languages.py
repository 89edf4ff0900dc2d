"""Which language a file is in, by its name, in the words of the Language Server Protocol."""

from __future__ import annotations

from pathlib import PurePosixPath

BY_SUFFIX = {
    ".py": "python",
    ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascript",
    ".ts": "typescript", ".mts": "typescript", ".tsx": "typescript",
    ".rs": "rust",
    ".go": "go",
    ".c": "c",
    ".h": "cpp", ".hpp": "cpp", ".cpp": "cpp", ".cc": "cpp",
    ".java": "java",
    ".lua": "lua",
    ".sh": "shellscript", ".bash": "shellscript", ".bats": "shellscript",
    ".html": "html",
    ".css": "css", ".scss": "css",
    ".json": "json",
}  # fmt: skip
TEST_FOLDERS = {"test", "tests", "testing", "__tests__", "spec"}
TEST_MARKS = ("_test", ".test", ".spec", "-test", "-itest")


def language_of(path: str) -> str | None:
    """None for a file that is nothing to learn from; types without code (.d.ts) are none."""
    if path.endswith((".d.ts", ".d.mts", ".min.js", ".min.css")):
        return None
    return BY_SUFFIX.get(PurePosixPath(path).suffix)


def is_test(path: str) -> bool:
    *folders, name = PurePosixPath(path).parts
    stem = PurePosixPath(name).stem
    return (
        bool(TEST_FOLDERS & set(folders)) or name.startswith("test_") or stem.endswith(TEST_MARKS)
    )
