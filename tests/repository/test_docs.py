"""The pages do what they say: every Python block prints what it shows, and every public name is documented."""

import ast
import builtins
import doctest
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]
FENCE = re.compile(r"^(```+|:::+)\s*(\S*)")
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def python_only(page):
    """The page with every line outside its Python blocks emptied, so that line numbers stay, and the blocks."""
    lines, blocks, inside = [], [], False
    for line in page.read_text("utf-8").splitlines():
        fence = FENCE.match(line)
        if fence:
            inside = fence[2] in ("python", "pycon", "py") and not inside
            if inside:
                blocks.append([])
        if inside and not fence:
            blocks[-1].append(line)
        lines.append(line if inside and not fence else "")
    return "\n".join(lines) + "\n", blocks


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_run_as_printed(page, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")  # dg.trace fits its tables to the terminal
    source, blocks = python_only(page)
    for block in blocks:
        assert block[0].startswith(">>> "), f"a Python block that is not run: {block[0]!r} (use a text block for those)"
    test = doctest.DocTestParser().get_doctest(source, {"__name__": "__main__"}, page.name, str(page), 0)
    report = []
    with dg.extend.rules_restored():  # a page may declare some
        result = doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(test, out=report.append)
    assert result.failed == 0, "".join(report)


def examples(node):
    """The examples of a module, a class or a function, and of what it defines: of every docstring one program."""
    text = ast.get_docstring(node) or ""
    if ">>>" in text:
        yield "".join(example.source for example in doctest.DocTestParser().get_examples(text))
    for inner in node.body:
        if isinstance(inner, (ast.ClassDef, ast.FunctionDef)):
            yield from examples(inner)


def unknown(program):
    """The names that a program uses and does not bind anywhere."""
    nodes = list(ast.walk(ast.parse(program)))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    bound = {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {getattr(node, "name", None) for node in nodes} | {n.id for n in names if not isinstance(n.ctx, ast.Load)}
    imported = [alias for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names]
    bound |= {(alias.asname or alias.name).partition(".")[0] for alias in imported}
    return {node.id for node in names} - bound - set(dir(builtins))


def test_the_examples_of_docstrings_import_what_they_use():
    """They are run in the module that they stand in, which has more names than a session that they are pasted to."""
    assert unknown("import numpy as np\ndef f(x: Array): return np.sin(y := x)") == {"Array"}
    files = {path: ast.parse(path.read_text("utf-8")) for path in (ROOT / "dualgrad").rglob("*.py")}
    assert not [(path.name, names) for path, tree in files.items() for e in examples(tree) if (names := unknown(e))]


def function_on(page, name):
    """A function as a page defines it."""
    source, _ = python_only(ROOT / "docs" / page)
    examples = doctest.DocTestParser().get_examples(source)
    scope = {"np": np, "dg": dg}
    exec(next(e.source for e in examples if e.source.startswith(f"def {name}(")), scope)
    return scope[name]


@pytest.mark.parametrize("page", ["dual-numbers-in-ten-minutes.md", "iterations.md", "taylor.md"])
def test_roots_by_iteration_are_right_to_the_third_order(page):
    """Also where the first guess is the root, or next to it, and the loop makes no step."""
    root = function_on(page, "root")
    for a in (1.0, *(1 + s * 10.0**-k for k in range(1, 17) for s in (-1, 1)), *np.geomspace(1e-6, 1e6, 49)):
        derivatives, f = [], root
        for _ in range(4):
            derivatives.append(f(a))
            f = dg.derivative(f)
        exact = np.sqrt(a) * np.array([1, 1 / 2, -1 / 4, 3 / 8]) / a ** np.arange(4)
        np.testing.assert_allclose(derivatives, exact, rtol=1e-12)
        series = dg.taylor(root, a, 1.0, 3)
        np.testing.assert_allclose(series, exact / np.array([1, 1, 2, 6]), rtol=1e-12)


def test_the_coverage_page_is_held_to_the_tables_also_under_another_numpy(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import make_coverage

    ufuncs, others, reasons = make_coverage.tables()
    ufuncs, others = ({n: k for n, k in t.items() if k} for t in (ufuncs, others))  # np.char is there once imported
    kinds, text = ufuncs | others, make_coverage.render(ufuncs, others, reasons)
    assert make_coverage.stated(text)[1].keys() - {"np.strings"} == {n for n in kinds if n[:11] != "np.strings."}
    older = text.replace(f"NumPy {np.__version__}.", "NumPy 2.0.0.")
    assert not make_coverage.differences(text, text, kinds)
    assert not make_coverage.differences(older, text, kinds)
    assert make_coverage.differences(text + " ", text, kinds)
    for name, kind in (("np.sin", "linear"), ("np.floor", "refused"), ("np.linalg.inv", "other types")):
        assert make_coverage.differences(older, text, kinds | {name: kind}) == [f"{name}: {kinds[name]} for {kind}"]
    assert not make_coverage.differences(older, text, kinds | {"np.brand_new": "linear"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(page):
    text = page.read_text("utf-8")
    targets = [t.split("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", text) if not t.startswith("http")]
    missing = [t for t in targets if t and not (page.parent / t).exists()]
    assert not missing


def test_every_public_name_has_a_docstring_an_example_and_a_place_in_the_reference_and_its_index():
    command = [sys.executable, ROOT / "docs" / "make_api.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_index_of_the_reference_that_is_out_of_date_is_refused(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import make_api

    page = tmp_path / "index.md"
    page.write_text(make_api.PAGE.read_text("utf-8").replace("| [`nn.ReLU`]", "| [`nn.Relu`]"), "utf-8")
    monkeypatch.setattr(make_api, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["make_api.py", "--check"])
    with pytest.raises(SystemExit, match=r"out of date: run `make api`"):
        make_api.main()


MADE = {"accuracy", "benchmarks", "estimators-elsewhere", "verification", "verify-your-estimator", "api/index"}
WRITTEN = [page for page in PAGES if page not in {ROOT / "docs" / f"{name}.md" for name in MADE}]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_subscripts_are_typeset(page):
    """No ``w_k`` in prose: it stands between dollars, or it is code."""
    text = re.sub(
        r"```.*?```|\$\$.*?\$\$|`[^`]*`|\$[^$]*\$|\]\([^)]*\)|\{[^}]*\}", "", page.read_text("utf-8"), flags=re.S
    )
    assert not re.findall(r"(?<![\w/.])[^\W\d_]_\{?[^\W_]+", text)
