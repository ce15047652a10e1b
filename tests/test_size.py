"""The engine stays small enough to read in an evening: its lines of code are counted, and the README says how many."""

import ast
import re
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENGINE = ["dual.py", "transforms.py", "tree.py", "rules/*.py"]
LIMIT = 2500
SILENT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
}  # fmt: skip


def docstring_lines(source):
    """The numbers of the lines that docstrings take up."""
    lines = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                lines.update(range(first.lineno, first.end_lineno + 1))
    return lines


def lines_of_code(path):
    """Lines that hold code: no docstrings, comments or blanks."""
    with tokenize.open(path) as file:
        source = file.read()
    code = set()
    for token in tokenize.generate_tokens(iter(source.splitlines(keepends=True)).__next__):
        if token.type not in SILENT:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code - docstring_lines(source))


def engine_files():
    """The files of the engine."""
    return sorted(path for pattern in ENGINE for path in (ROOT / "dualgrad").glob(pattern))


def test_counter_skips_docstrings_comments_and_blanks(tmp_path):
    path = tmp_path / "sample.py"
    path.write_text(
        '"""Module.\n\nMore."""\n\nx = 1  # one\n# two\n\ndef f():\n    """Doc."""\n    return """a\n\nb"""\n'
    )
    assert lines_of_code(path) == 5


def test_engine_is_small_and_the_readme_says_how_small():
    count = sum(map(lines_of_code, engine_files()))
    assert count < LIMIT
    stated = re.search(r"\*\*([\d,]+) lines of code\*\*", (ROOT / "README.md").read_text("utf-8"))
    assert stated, "README.md should state the size of the engine as **N lines of code**"
    assert int(stated[1].replace(",", "")) == count, f"the engine has {count} lines of code; README.md says {stated[1]}"
