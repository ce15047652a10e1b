"""Types say what is there: the stubs of the operators, the names for annotations, and the programs that are checked.

The share of public names with types is counted right: every member of a public class, and no other name.
"""

import ast
import inspect
import re
import runpy
import typing
from pathlib import Path

import numpy as np
import pytest

import dualgrad.typing
from docs import type_completeness
from docs.public_names import public_names
from docs.type_completeness import BAR, by_room, homes, known, main, report, share
from dualgrad.errors import DualgradError, ShapeError
from dualgrad.extend import rules_restored
from dualgrad.operators import AsArray, operators

ROOT = Path(__file__).parents[2]

# ---------------------------------------------------------------------- stubs, names and programs


def stubs():
    """The methods of each class in operators.pyi with their arguments."""
    tree = ast.parse((ROOT / "dualgrad" / "operators.pyi").read_text("utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {kind.name: {f.name: f.args for f in kind.body if isinstance(f, ast.FunctionDef)} for kind in classes}


def test_the_stubs_of_the_operators_name_what_the_classes_have():
    found, made = stubs(), operators({})
    assert set(found["Operators"]) == set(vars(made)) - {"__doc__", "__hash__", "__module__", "__slots__"}
    assert set(found["AsArray"]) < set(vars(AsArray))  # which also has what is refused, and what NumPy's loops ask


def test_a_method_takes_the_arguments_of_the_function_of_numpy_it_stands_for():
    others = {"clip", "compress", "imag", "real"}  # with arguments in another order, or none
    named = {name: args for name, args in stubs()["Operators"].items() if name in np.__all__ and name not in others}
    assert len(named) > 25
    for name, args in named.items():
        given = [a.arg for a in args.args[1:]]
        assert given == list(inspect.signature(getattr(np, name)).parameters)[1 : len(given) + 1], name


def test_the_page_says_what_every_name_for_annotations_stands_for():
    page = (ROOT / "docs" / "api" / "typing.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.*?) \|", page, re.M)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == dualgrad.typing.__all__


def public_callables():
    """Every public function and class, and the methods that the package gives the classes."""
    for name, thing in public_names().items():
        kinds = inspect.getmro(thing) if inspect.isclass(thing) else ()
        members = [member for kind in kinds for member in vars(kind).values()]
        for member in [thing, *members]:
            member = inspect.unwrap(getattr(member, "fget", None) or getattr(member, "__func__", member))
            if (inspect.isfunction(member) or inspect.isclass(member)) and member.__module__.startswith("dualgrad"):
                yield name, member


def test_annotations_say_what_they_are_as_the_program_runs():
    """What documents programs, checks them or injects arguments asks for them."""
    names = [name for name, member in public_callables() if typing.get_type_hints(member) is not None]
    assert len(names) > 500


def test_names_for_annotations_join_others():
    for name in dualgrad.typing.__all__:
        assert type(None) in typing.get_args(getattr(dualgrad.typing, name) | None), name


USER = ROOT / "tests" / "typing_user.py"
PROGRAMS = re.findall(r"^def (program_\w+)", USER.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_programs_that_are_checked_run(program, tmp_path, monkeypatch):
    """Each in a module of its own, which declares rules."""
    monkeypatch.chdir(tmp_path)
    with rules_restored():
        runpy.run_path(str(USER))[program]()


# ---------------------------------------------------------------------- the share of names with types


class Base:
    def draw(self): ...


def derived():
    class Derived(Base):
        pass

    return Derived


Derived = derived()
Base.__module__ = Derived.__module__ = "dualgrad.fake"


def symbol(name, known=True, ambiguous=False, also=()):
    return {"name": name, "isTypeKnown": known, "isTypeAmbiguous": ambiguous, "alternateNames": list(also)}


SYMBOLS = [
    symbol("dualgrad.fake.Derived", also=["dualgrad.Derived"]),
    symbol("dualgrad.Derived", known=False),  # the second name of the one above, which counts once
    symbol("dualgrad.fake.Base.draw", known=False),
    symbol("dualgrad.fake.Derived.step"),
    symbol("dualgrad.fake.Derived.size", ambiguous=True),
    symbol("dualgrad.fake.inner", known=False),  # not public
    symbol("dualgrad.rooms.push.f", also=["dualgrad.f"]),
]
NAMES = {"dualgrad.Derived": Derived, "dualgrad.f": len}
PUBLIC = {
    "dualgrad.fake.Derived": True, "dualgrad.fake.Base.draw": False, "dualgrad.fake.Derived.step": True,
    "dualgrad.fake.Derived.size": False, "dualgrad.rooms.push.f": True,
}  # fmt: skip


def test_the_public_names_and_their_members_count_once_each():
    assert known(SYMBOLS, NAMES) == PUBLIC
    assert share(PUBLIC) == 60
    assert {room: len(names) for room, names in by_room(PUBLIC).items()} == {"fake": 4, "rooms": 1}
    assert report(PUBLIC).splitlines() == [
        "dualgrad.fake.Base.draw has no type, or one that must be guessed",
        "dualgrad.fake.Derived.size has no type, or one that must be guessed",
        "3 of 5 public names have a type, 60.0 %",
    ]


def test_a_public_name_that_the_checker_does_not_see_has_no_type():
    assert known(SYMBOLS, NAMES | {"dualgrad.g": len}) == PUBLIC | {"dualgrad.g": False}


def test_members_come_from_every_class_of_the_package_and_from_no_other():
    assert homes(Derived) == ["dualgrad.fake.Derived", "dualgrad.fake.Base"]
    assert homes(ShapeError) == [f"dualgrad.errors.{kind.__name__}" for kind in (ShapeError, DualgradError)]


def test_under_the_bar_it_fails(monkeypatch, capsys):
    symbols = [symbol(f"dualgrad.f{k}", known=k >= 100 - BAR) for k in range(100)]
    names = {f"dualgrad.f{k}": len for k in range(100)}
    monkeypatch.setattr(type_completeness, "pyright_symbols", lambda: symbols)
    monkeypatch.setattr(type_completeness, "public_names", lambda: names)
    main(["--rooms"])
    assert "90 of 100 public names have a type, 90.0 %" in capsys.readouterr().out
    symbols[-1]["isTypeKnown"] = False
    with pytest.raises(SystemExit, match="expected 90 %"):
        main([])
