"""Two things never share a name: what a module of dualgrad/ defines at its top no other module defines.

Names that are imported are not defined there; methods and local variables are free.
"""

import ast
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "dualgrad"
TWICE = {  # one thing, in two places
    "__all__": "what a module exports",
    "__getattr__": "what a module says of a name that it lacks",
    "linear": "a declarer: as users call it in extend, and as the tables do in rules.declare",
    "elementwise": "the same",
    "bilinear": "the same",
    "composite": "the same",
    "explicit": "the same",
    "constant": "the same; and beside it the public schedule of a constant rate",
    "check_jvp": "a check, and the fixture that gives it to a test",
    "check_vjp": "the same",
    "check_mean": "the same",
    "check_variance": "the same",
    "assert_moments": "the same",
    # two things, each under a name that users know
    "power": "np.power under a name of its own, and that of a statistical test",
    "Network": "a recurrent one in online, and what strategies draw",
    "fit": "training on batches, and on a stream",
    "TruncatedBPTT": "an estimator over sequences, and one over streams",
    "norm": "a distribution of SciPy, and the norm of a tree",
    "uniform": "the same, and one of the laws of draws that are enumerated",
    "poisson": "the same",
    "logistic": "the same, and the function",
    "cauchy": "the same",
    "inv": "a function of SciPy, and the rule of that of np.linalg",
    "cholesky": "the same",
    "eigh": "the same",
}
FILES = {  # the same part of several rooms
    "__init__": "a folder's", "base": "what its files share",
    "linalg": "the functions of np.linalg, of scipy.linalg, and of scipy.sparse.linalg",
    "fft": "the functions of np.fft, and of scipy.fft",
    "forward_gradient": "the estimator of that name, and its like in online",
}  # fmt: skip


def defined(tree):
    """The names that a module defines at its top, also in branches and loops there; those a loop runs over are free."""
    names, todo = set(), list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if isinstance(node, ast.For):
            todo += node.body
        elif not isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            todo += ast.iter_child_nodes(node)
    return names


def shared_names(package):
    """The names that several modules define, each with their files."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        for name in defined(ast.parse(path.read_text("utf-8"))):
            found.setdefault(name, []).append(path.relative_to(package).as_posix())
    return {name: paths for name, paths in found.items() if len(paths) > 1}


def shared_files(package):
    """The names that several files have."""
    return {name for name, count in Counter(path.stem for path in package.rglob("*.py")).items() if count > 1}


def test_no_name_is_defined_in_two_modules():
    assert {name: paths for name, paths in shared_names(PACKAGE).items() if name not in TWICE} == {}


def test_no_name_is_that_of_two_files():
    assert shared_files(PACKAGE) - set(FILES) == set()


def test_what_is_allowed_is_there():
    assert set(TWICE) - set(shared_names(PACKAGE)) == set()
    assert set(FILES) - shared_files(PACKAGE) == set()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f():\n    x = 1\nclass C:\n    y = 2\n    def m(self): pass\n", {"f", "C"}),
        ("a, (b, *c) = d = 1, (2,)\ne: int = 1\nfor g in h: i = g\n", {"a", "b", "c", "d", "e", "i"}),
        ("try:\n    j = 1\nexcept E:\n    j = 2\nif k:\n    def n(): pass\nwith o as p: pass\n", {"j", "n", "p"}),
        ("import q\nfrom r import s\nt.u = v[0] = [w for w in x]\nf = lambda y: (z := y)\n", {"f"}),
    ],
)
def test_what_a_module_defines(source, names):
    assert defined(ast.parse(source)) == names


def test_a_name_that_is_planted_twice_is_found(tmp_path):
    (tmp_path / "room").mkdir()
    for path in (tmp_path / "one.py", tmp_path / "two.py", tmp_path / "room" / "two.py"):
        path.write_text(f"def of_{path.stem}():\n    pass\n\n\n_shared = 1\n", "utf-8")
    assert shared_names(tmp_path) == {
        "_shared": ["one.py", "room/two.py", "two.py"],
        "of_two": ["room/two.py", "two.py"],
    }
    assert shared_files(tmp_path) == {"two"}
