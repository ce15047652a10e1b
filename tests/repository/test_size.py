"""The core stays small enough to read in an evening, and a rule stays a few lines: both are counted here.

The **core** is what `dg.jvp` needs to run a function that needs no rule: every file that dualgrad/pushforward.py
imports, and what those import, also inside functions. Two files say where it ends. The package's own ``__init__`` lists
what users see, and is not followed. The ``__init__`` of rules/ lists the tables, and is counted with them.

A **table** is a file of rules/ that the core does not import: it enters functions, and without it the others still
work. Machinery cannot hide among them, since a file that the core imports by name is core wherever it lies (declare.py,
lead.py, absorb.py: what makes a line of a table a rule). keywords.py enters no function either; only
the ``__init__`` of rules/ imports it, for the keywords of ufuncs: it is named below.
Helpers that only tables share count as tables.

What only a type checker reads is no code that runs, and not counted: blocks under ``if TYPE_CHECKING:``, of which the
imports are not followed either, stubs under ``@overload``, aliases (``Name: TypeAlias = ...``), and an import all of
whose names stand in these and in annotations alone. An annotation that takes a line more is counted.

Tables may grow without end, by at most 5 lines a function on average: the functions are those of `dg.supported()`, in a
fresh interpreter that has imported dualgrad and no more.

``python tests/repository/test_size.py --write`` writes the numbers into README.md.
"""

import ast
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "dualgrad"
README = PACKAGE.parent / "README.md"
WRITE = "python tests/repository/test_size.py --write"
STARTS = "pushforward.py", "rules/keywords.py"
CORE, EACH = 1600, 5  # lines of code: of the core, and of a function in the tables
SILENT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
}  # fmt: skip


# ---------------------------------------------------------------------- lines of code


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


def for_checkers(tree):
    """The statements that only a type checker reads; of ``if TYPE_CHECKING:`` the test, and each in the block."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and _names(node.test) == {"TYPE_CHECKING"}:
            yield from (node.test, *node.body)
        elif isinstance(node, ast.FunctionDef) and any("overload" in _names(d) for d in node.decorator_list):
            yield from (*node.decorator_list, node)
        elif isinstance(node, ast.AnnAssign) and _names(node.annotation) == {"TypeAlias"}:
            yield node


def annotations(tree):
    """What stands behind names and arrows."""
    for node in ast.walk(tree):
        yield from filter(None, (getattr(node, "annotation", None), getattr(node, "returns", None)))


def _names(tree):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def type_lines(source):
    """The numbers of the lines that only a type checker reads."""
    tree = ast.parse(source)
    alone = list(for_checkers(tree))
    parts = [*alone, *annotations(tree)]
    inside = {id(node) for part in parts for node in ast.walk(part)}
    needed = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in inside}
    types = set().union(*map(_names, parts)) - needed
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and {a.asname or a.name for a in node.names} <= types:
            alone.append(node)
    return {line for node in alone for line in range(node.lineno, node.end_lineno + 1)}


def lines_of_code(path):
    """Lines that hold code: no docstrings, comments or blanks, and nothing for type checkers alone."""
    with tokenize.open(path) as file:
        source = file.read()
    code = set()
    for token in tokenize.generate_tokens(iter(source.splitlines(keepends=True)).__next__):
        if token.type not in SILENT:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code - docstring_lines(source) - type_lines(source))


# ---------------------------------------------------------------------- what the core is


def imported(path, package):
    """The files of a package that one of them imports: modules, and the ``__init__`` of folders."""
    tree = ast.parse(path.read_text("utf-8"))
    unfollowed = {id(node) for part in for_checkers(tree) for node in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) in unfollowed:
            continue
        if isinstance(node, ast.Import):
            targets = [a.name.split(".") for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = node.module.split(".") if node.module else []
            if node.level:
                parts = [*path.relative_to(package.parent).parts[: -node.level], *parts]
            targets = [parts, *([*parts, a.name] for a in node.names)]
        else:
            continue
        for parts in targets:
            if parts[0] == package.name:
                place = package.parent.joinpath(*parts)
                yield from filter(Path.is_file, (place.with_suffix(".py"), place / "__init__.py"))


def core_files(package, starts=STARTS):
    """The import closure of the starting files; see above for the two ``__init__`` that end it."""
    found, todo = {package / "__init__.py", package / "rules" / "__init__.py"}, [package / start for start in starts]
    ends = set(found)
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += imported(path, package)
    return found - ends


def table_files(package, core):
    """The files of rules/ that are not core."""
    return set((package / "rules").glob("*.py")) - core


def sizes(package, starts=STARTS):
    """Lines of code of the core and of the tables."""
    core = core_files(package, starts)
    return tuple(sum(map(lines_of_code, files)) for files in (core, table_files(package, core)))


def functions():
    """How many functions the tables enter."""
    say = "import dualgrad as dg; print(len(dg.supported()))"
    return int(subprocess.run([sys.executable, "-c", say], cwd=PACKAGE.parent, capture_output=True, check=True).stdout)


def require_small(core, tables, count):
    """Raise where a limit is passed."""
    assert core < CORE, f"the core has {core} lines of code; expected fewer than {CORE}"
    assert tables <= EACH * count, f"the tables have {tables} lines for {count} functions; expected {EACH} each"


# ---------------------------------------------------------------------- what the README says

STATED = re.compile(r"is \*\*[\d,]+ lines of code\*\*; the tables are \*\*[\d,]+ for [\d,]+ functions\*\*")


def stated(core, tables, count):
    """The numbers as README.md gives them."""
    return f"is **{core:,} lines of code**; the tables are **{tables:,} for {count:,} functions**"


def write():
    """Put the numbers into README.md."""
    text, changed = STATED.subn(stated(*sizes(PACKAGE), functions()), README.read_text("utf-8"))
    if changed != 1:
        raise SystemExit(f"README.md states the sizes {changed} times; expected once, as {STATED.pattern!r}")
    README.write_text(text, "utf-8")


# ---------------------------------------------------------------------- tests


def test_the_core_and_the_tables_are_small_and_the_readme_says_how_small():
    core, tables = sizes(PACKAGE)
    count = functions()
    require_small(core, tables, count)
    found = STATED.search(README.read_text("utf-8"))
    assert found, f"README.md should state: {stated(core, tables, count)}"
    assert found[0] == stated(core, tables, count), f"README.md is out of date: run {WRITE}"


def test_what_makes_a_table_line_a_rule_is_core_and_every_table_enters_functions():
    core = core_files(PACKAGE)
    names = {path.relative_to(PACKAGE).as_posix() for path in core}
    assert names >= {"dual.py", "tree.py", "errors.py", "backend.py", "cures.py"}
    assert {n for n in names if n.startswith("rules/")} == {
        f"rules/{name}.py" for name in ("declare", "lead", "absorb", "keywords")
    }
    for path in table_files(PACKAGE, core) - {PACKAGE / "rules" / "__init__.py"}:
        assert PACKAGE / "rules" / "declare.py" in set(imported(path, PACKAGE)) or path.stem == "refused", path


def test_counter_skips_docstrings_comments_and_blanks(tmp_path):
    path = tmp_path / "sample.py"
    path.write_text(
        '"""Module.\n\nMore."""\n\nx = 1  # one\n# two\n\ndef f():\n    """Doc."""\n    return """a\n\nb"""\n'
    )
    assert lines_of_code(path) == 5


TYPED = {
    "from typing import Any\ndef f(x: Any) -> Any: return x\n": 1,
    "from typing import Any\ndef f(x: Any) -> Any: return Any\n": 2,  # which runs
    "from typing import Any, cast\ndef f(x: Any): return cast(str, x)\n": 2,
    "from . import rules\nx: int = 1\n": 2,  # imported for what it does
    "import numpy as np\ndef f(x: np.ndarray):\n    return x\n": 2,
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    x = 1\n": 0,
    "from typing import TypeAlias, Any\nTree: TypeAlias = Any\nx: Tree = 1\n": 1,
    "if TYPE_CHECKING:\n    from a import (\n        b,\n    )\nelse:\n    b = 1\n": 2,
    "@overload\ndef f(x: int) -> int: ...\n@overload\ndef f(\n    x: str\n): ...\ndef f(x): 1\n": 1,
    "@decorated\ndef f(\n    x: str,\n): ...\n": 4,  # a line more is a line more
}


def test_counter_skips_what_only_a_type_checker_reads(tmp_path):
    path = tmp_path / "sample.py"
    for source, count in TYPED.items():
        path.write_text(source)
        assert lines_of_code(path) == count, source


FAKE = {
    "__init__.py": "from .start import f\nfrom .unused import g\n",
    "start.py": "import json\nfrom . import rules, plain\nfrom .folder.deep import h\ndef f():\n    import fake.late\n",
    "plain.py": "x = 1\n",
    "late.py": "def late():\n    from .circle import y\n    return y\n",
    "circle.py": "from .late import late\ny = 1\n",
    "unused.py": "g = 1\n",
    "folder/__init__.py": "z = 1\n",
    "folder/deep.py": "from ..rules.machine import declare\nfrom . import beside\nh = 1\n",
    "folder/beside.py": "w = 1\n",
    "rules/__init__.py": "from . import table, operators\n",
    "rules/machine.py": "def declare():\n    pass\n",
    "rules/table.py": "from .machine import declare\ndeclare()\ndeclare()\n",
    "rules/operators.py": "from ..plain import x\n",
}


@pytest.fixture
def fake(tmp_path):
    for name, text in FAKE.items():
        path = tmp_path / "fake" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "fake"


def test_the_closure_follows_every_import_but_those_of_the_tables(fake):
    starts = "start.py", "rules/operators.py"
    core = core_files(fake, starts)
    assert {path.relative_to(fake).as_posix() for path in core} == {
        "start.py", "plain.py", "late.py", "circle.py", "folder/__init__.py", "folder/deep.py", "folder/beside.py",
        "rules/machine.py", "rules/operators.py",
    }  # fmt: skip
    assert table_files(fake, core) == {fake / "rules/table.py", fake / "rules/__init__.py"}
    assert sizes(fake, starts) == (5 + 1 + 3 + 2 + 1 + 3 + 1 + 2 + 1, 3 + 1)


def test_what_the_core_begins_to_import_counts_from_then_on(fake):
    before = sizes(fake, ["start.py"])[0]
    (fake / "plain.py").write_text("from .rules.table import declare\n")
    assert sizes(fake, ["start.py"]) == (before + 3, 1 + 1)  # and the tables left are the __init__ and the operators


def test_what_is_imported_for_type_checkers_alone_is_no_core(fake):
    before = core_files(fake, ["start.py"])
    (fake / "plain.py").write_text("if TYPE_CHECKING:\n    from .unused import g\nx: g = 1\n")
    assert core_files(fake, ["start.py"]) == before
    (fake / "plain.py").write_text("from .unused import g\nx: g = 1\n")
    assert core_files(fake, ["start.py"]) == before | {fake / "unused.py"}


@pytest.mark.parametrize(
    ("core", "tables", "count", "says"),
    [(CORE, 5, 1, "the core has 1600 lines"), (1, 11, 2, "the tables have 11 lines for 2 functions; expected 5 each")],
)
def test_a_limit_that_is_passed_is_an_error(core, tables, count, says):
    require_small(core - 1, tables - 1, count)
    with pytest.raises(AssertionError, match=says):
        require_small(core, tables, count)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        raise SystemExit(f"usage: {WRITE}")
    write()
