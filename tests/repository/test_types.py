"""The share of public names with types is counted right: every member of a public class, and no other name."""

import pytest

from docs import type_completeness
from docs.type_completeness import BAR, by_room, homes, known, main, report, share
from dualgrad.errors import DualgradError, ShapeError


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
