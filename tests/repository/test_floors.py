"""The house stands on floors: every import points down, none runs in a circle, and none hides in a function.

A **room** is a module, a folder, or several of them that belong together. Inside a room modules import each other
freely, but for circles; rooms of one floor know nothing of each other. An import for type checkers alone points down
like any other: a type that a room is about lies no higher than the room. A module of dualgrad imported in a function
would point up in disguise, so there is none, but for two that need an optional package.
"""

import ast
import functools
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[2] / "dualgrad"
FLOORS = [  # from the ground up: the rooms of each floor
    ["backend", "checks", "displays", "frames", "hints", "scratch", "tables", "torch_names"],
    ["errors", "random", "zero", "vectors", "unwritten"],
    [
        "tree",
        "counterparts",
        "cures",
        "outer_product lowrank",
        "coloring sparsity_pattern",
        "star_coloring",
        "operators",
    ],
    ["dual", "layout"],
    ["array_api", "vector_space"],
    ["inputs", "params", "chunks"],
    ["settings", "checkpoint", "workers"],
    ["rules.absorb rules.lead rules.declare"],  # what makes a line of a table a rule
    ["dispatch"],
    ["extend"],
    ["slopes lengths exponentials", "coincidence ties"],  # what such lines are written with
    ["rules"],  # the tables
    ["arguments", "custom", "directions", "optim"],
    ["pushforward", "bent"],
    ["patterns"],
    ["scipy", "series", "tracing", "transforms"],
    ["nn", "equations", "linearized", "curvature"],
    ["estimators", "scipy.integrate"],
    ["training"],
    ["online"],
    ["testing", "typing"],
    ["dualgrad"],  # the roof: what users see
]
LATER = {  # imported when they are asked for, by name
    "array_api": "the module that stands for NumPy in array_api_compat, where that asks",
    "cures": "counterparts, where SciPy runs; and sparse matrices, which need SciPy",
    "counterparts": "the names in dualgrad.scipy, which needs SciPy",
    "dualgrad": "what not every program needs, so that it is imported in less time",
    "testing": "strategies, which need Hypothesis",
    "testing.fronts": "a library's front, which needs the library",
    "workers.world": "mpi4py, where an MPI runs the program",
}


# ---------------------------------------------------------------------- who imports whom


class Import(NamedTuple):
    """One import of a module of the package by another, both by dotted names below the package."""

    name: str
    at: str  # file:line
    target: str
    inside: bool  # a function


def files(package):
    """The files of a package by dotted name, without the package's own in front; its ``__init__`` has that alone."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts) or package.name] = path
    return found


@functools.cache
def imports(package):
    """Every import in a package of its own modules."""
    known, found = files(package), []
    for name, path in known.items():
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        functions = [n for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
        inside = {id(node) for function in functions for node in ast.walk(function)}
        for node in nodes:
            for target in {".".join(parts) or package.name for parts in _named(node, path, package, known)}:
                if target in known and target != name:
                    at = f"{path.relative_to(package).as_posix()}:{node.lineno}"
                    found.append(Import(name, at, target, id(node) in inside))
    return found


def _named(node, path, package, known):
    """What an import statement may name, as the parts below the package: a module, or the one that a name is in."""
    if isinstance(node, ast.Import):
        names = [a.name.split(".") for a in node.names]
        return [parts[1:] for parts in names if parts[0] == package.name]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module.split(".") if node.module else []
    if node.level:
        base = [*path.relative_to(package.parent).parts[: -node.level], *base]
    if base[:1] != [package.name]:
        return []
    full = [[*base[1:], a.name] for a in node.names]
    return [parts if ".".join(parts) in known else base[1:] for parts in full]


# ---------------------------------------------------------------------- what is wrong with it


def standing(floors):
    """Where each entry of the floors stands: its floor and its room."""
    return {entry: (floor, room) for floor, rooms in enumerate(floors) for room in rooms for entry in room.split()}


def room_of(name, places):
    """The floor and the room of a module: those of the longest name that is its own or that of a folder around it."""
    while name not in places and "." in name:
        name = name.rpartition(".")[0]
    return places.get(name)


def pointing_up(package, floors):
    """The imports that do not point down, and the modules of which nobody says where they stand."""
    places = standing(floors)
    wrong = [f"{name} stands on no floor: name it in FLOORS" for name in files(package) if not room_of(name, places)]
    for name, at, target, _ in imports(package):
        home, there = room_of(name, places), room_of(target, places)
        if home and there and there != home and there[0] >= home[0]:
            wrong.append(f"{at} imports {target}, of floor {there[0]}; it stands on floor {home[0]}")
    return wrong


def circles(package):
    """Every import that closes a circle."""
    every = imports(package)
    edges = {}
    for name, _, target, _ in every:
        edges.setdefault(name, set()).add(target)
    reached = {name: _reached(name, edges) for name in edges}
    return [f"{i.at} imports {i.target}, which needs {i.name}" for i in every if i.name in reached.get(i.target, ())]


def _reached(name, edges):
    """The modules that one imports, directly or by others."""
    found, todo = set(), [name]
    while todo:
        new = edges.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


def in_functions(package):
    """The imports of the package's own modules in functions."""
    return [f"{i.at} imports {i.target} in a function" for i in imports(package) if i.inside]


def by_name(package):
    """The modules that import others by a name that is made when they run."""
    return {name for name, path in files(package).items() if "import_module(" in path.read_text("utf-8")}


# ---------------------------------------------------------------------- tests


def test_imports_point_down():
    assert pointing_up(PACKAGE, FLOORS) == []


def test_no_import_runs_in_a_circle():
    assert circles(PACKAGE) == []


def test_no_import_hides_in_a_function():
    assert in_functions(PACKAGE) == []
    assert by_name(PACKAGE) == LATER.keys()


def test_every_room_exists_once():
    entries = [entry for rooms in FLOORS for room in rooms for entry in room.split()]
    assert len(set(entries)) == len(entries)
    assert not set(entries) - files(PACKAGE).keys()


HOUSE = {
    "__init__.py": "from .roof import window\nfrom . import cellar\n",
    "cellar.py": "import json\nstone = 1\n",
    "hall/__init__.py": "from .door import handle\nfrom .stairs import step\n",
    "hall/door.py": "from ..cellar import stone\nhandle = 1\n",
    "hall/stairs.py": "from . import door\nimport house.cellar\nstep = 1\n",
    "roof.py": "from .hall import handle\nfrom .hall.stairs import step\nwindow = 1\n",
}
STOREYS = [["cellar"], ["hall"], ["roof"], ["house"]]
FAULTS = [
    ("cellar.py", "import json\nfrom .hall.door import handle\n", pointing_up, "cellar.py:2 imports hall.door"),
    ("cellar.py", "def dig():\n    from .roof import window\n", pointing_up, "cellar.py:2 imports roof, of floor 2"),
    ("cellar.py", "from house import roof\n", pointing_up, "cellar.py:1 imports roof"),
    ("hall/door.py", "import house.roof as up\n", pointing_up, "hall/door.py:1 imports roof"),
    ("hall/door.py", "from .. import roof\n", pointing_up, "hall/door.py:1 imports roof"),
    ("shed.py", "", pointing_up, "shed stands on no floor"),
    ("hall/door.py", "x = 1\nfrom .stairs import step\n", circles, "hall/door.py:2 imports hall.stairs, which needs"),
    ("hall/door.py", "from . import handle\n", circles, "hall/door.py:1 imports hall, which needs hall.door"),
    ("hall/door.py", "def open():\n    from .stairs import step\n", circles, "hall/door.py:2 imports hall.stairs"),
    ("roof.py", "class R:\n    def f(self):\n        import house.cellar\n", in_functions, "roof.py:3 imports cellar"),
]  # fmt: skip


@pytest.fixture
def house(tmp_path):
    for name, text in HOUSE.items():
        path = tmp_path / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "house"


def found(check, house):
    return check(house, STOREYS) if check is pointing_up else check(house)


def test_a_sound_house_has_no_faults(house):
    assert [found(check, house) for check in (pointing_up, circles, in_functions)] == [[], [], []]
    assert [i[1:] for i in imports(house) if i.name == "hall.stairs"] == [
        ("hall/stairs.py:1", "hall.door", False),
        ("hall/stairs.py:2", "cellar", False),
    ]
    assert by_name(house) == set()


@pytest.mark.parametrize(("file", "text", "check", "says"), FAULTS)
def test_a_fault_is_told_by_file_and_line(house, file, text, check, says):
    (house / file).write_text(text)
    assert any(line.startswith(says) for line in found(check, house))


def test_rooms_of_one_floor_know_nothing_of_each_other(house):
    (house / "attic.py").write_text("from .roof import window\n")
    assert pointing_up(house, [["cellar"], ["hall"], ["roof", "attic"], ["house"]]) == [
        "attic.py:1 imports roof, of floor 2; it stands on floor 2"
    ]
    assert pointing_up(house, [["cellar"], ["hall"], ["roof attic"], ["house"]]) == []
