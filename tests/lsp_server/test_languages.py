"""One record per language: it agrees with its grammar, and nothing else knows languages by name."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path, PurePath

import pytest

from lsp_server import languages
from lsp_server.holes.marks import in_body, in_code
from lsp_server.languages import LANGUAGES, Language
from lsp_server.syntax.grammars import grammar

ROOT = Path(__file__).parents[2] / "lsp_server"
IDS = [each for language in LANGUAGES for each in language.ids]


def test_no_two_records_have_the_same_name_or_extension() -> None:
    extensions = [each for language in LANGUAGES for each in language.extensions]
    assert sorted(IDS) == sorted(set(IDS))
    assert sorted(extensions) == sorted(set(extensions))


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda each: each.ids[0])
def test_a_record_agrees_with_its_grammar(language: Language) -> None:
    known = grammar(language.ids[0])
    assert (known is None) == (language.grammar is None)
    kinds = set(language.functions | language.types)
    if language.headers is not None:
        kinds |= language.headers.headed | language.headers.bodies
    if known is None:
        assert not kinds
    else:
        names = {known.node_kind_for_id(number) for number in range(known.node_kind_count)}
        assert kinds - names <= {"lambda_expression"}  # C has what C++ has


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda each: each.ids[0])
def test_what_is_a_regular_expression_compiles(language: Language) -> None:
    unfinished = language.unfinished
    tags = language.documentation.tags
    given = [
        *(
            language.import_line,
            language.error_types,
            language.outside_of_blocks,
            *(language.block_comment or ()),
        ),
        *(language.placeholders.own, language.placeholders.nothing),
        *(unfinished.opener, unfinished.closer, *(each for each, _ in unfinished.closings)),
    ]
    if tags is not None:
        given += [tags.custom, *(pair[0] for pair in (tags.other_mark, tags.other_margin) if pair)]
    for each in given:
        re.compile(each or "")


# Of each language, what stands for code in the place of which it stands, each in its own way.
STANDS_FOR_CODE = {
    "python": ["raise NotImplementedError", 'raise NotImplementedError("so")', "pass", "..."],
    "javascript": ["throw new Error('not implemented')", 'throw Error("TODO")'],
    "javascriptreact": ["throw new Error('not implemented')"],
    "typescript": ["throw new Error(`Not yet implemented: f`)"],
    "typescriptreact": ["throw new Error('to do')"],
    "rust": ["todo!()", "unimplemented!()", 'panic!("not implemented")'],
    "go": ['panic("not implemented")'],
    "c": ['assert(0 && "not implemented")', 'assert(false && "TODO")'],
    "cpp": ['assert(0 && "TODO")', 'throw std::logic_error("not implemented")'],
    "java": [
        "throw new UnsupportedOperationException()",
        'throw new java.lang.RuntimeException("TODO")',
    ],
    "lua": ['error("not implemented")', "TODO()"],
    "ruby": ["raise NotImplementedError", "raise 'not implemented'"],
    "shellscript": [":"],
    "kotlin": ["TODO()", "..."],
}


@pytest.mark.parametrize("language", STANDS_FOR_CODE)
def test_placeholders(language: str) -> None:
    for text in STANDS_FOR_CODE[language]:
        found = in_body(language).match(text)
        assert found is not None, text
        assert found.group("placeholder") == text
    for begin in ("x = 1", "return", "y"):
        assert in_code(language).match(begin) is None


def test_every_language_with_placeholders_is_tried() -> None:
    own = {each.ids[0] for each in LANGUAGES if any(_values(each.placeholders))}
    assert own <= STANDS_FOR_CODE.keys()


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.py", "python"),
        ("a.PYI", "python"),
        ("a.jsx", "javascriptreact"),
        ("a.h", "c"),
        ("a.hpp", "cpp"),
        ("a.bash", "shellscript"),
        ("a.rb", "ruby"),
        ("a.jsonc", "json"),
        ("a.unknown", None),
        ("Makefile", None),
    ],
)
def test_the_language_of_a_file(name: str, language: str | None) -> None:
    assert languages.of_file(PurePath(name)) == language


def test_of_an_unknown_language_nothing_is_known() -> None:
    assert languages.of("klingon") == Language(ids=())


def test_only_records_name_a_language() -> None:
    """Else there is a table of languages somewhere that nobody who adds one thinks of."""
    names = set(IDS) - {"r", "properties"}  # which stand for other things too
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        folder = path.relative_to(ROOT).parts[0]
        if folder in ("languages", "commands"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in names:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}")
    assert found == []


def _values(record: object) -> list[object]:
    return [getattr(record, field.name) for field in fields(record)]  # type: ignore[arg-type]
