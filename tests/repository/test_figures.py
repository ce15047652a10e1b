"""The figures of the pages are what their scripts draw today, small enough, and there for light and for dark paper."""

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

DOCS = Path(__file__).parents[2] / "docs"
OUT = DOCS / "img" / "learn"
MOST = 500_000  # bytes


def loaded(path):
    """A module from its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


write = loaded(DOCS / "figures" / "write.py")


@pytest.mark.parametrize("name", write.scripts())
def test_a_figure_is_what_its_script_draws(name):
    """In the light theme; the dark one differs in nothing but colours."""
    if (drawn := write.MADE_WITH.read_text("utf-8").strip()) != matplotlib.__version__:
        pytest.skip(f"drawn by matplotlib {drawn}; this is {matplotlib.__version__}, whose letters may differ")
    found = write.texts(name, themes=("light",))
    assert write.outdated(found) == []
    for file in found:
        light, dark = ((OUT / file.replace("light", theme)).read_text("utf-8") for theme in ("light", "dark"))
        bare = [re.sub("#[0-9a-f]{6}", "", write.unnamed(text)) for text in (light, dark)]
        assert bare[0] == bare[1]
        assert light != dark


def test_every_file_belongs_to_a_script_and_is_small():
    names = {path.name for path in OUT.glob("*.svg")}
    moving = {n for n in write.scripts() if hasattr(write.script(n), "frame")}
    expected = {f"{n}{kind}-{t}.svg" for n in write.scripts() for t in ("light", "dark") for kind in ("", "-moving")}
    assert names == {n for n in expected if "-moving" not in n or n.partition("-moving")[0] in moving}
    assert len(moving) >= 4
    for name in names:
        text = (OUT / name).read_text("utf-8")
        assert len(text) < MOST, name
        ElementTree.fromstring(text)
        assert ("<animate" in text) == ("-moving" in name)


@pytest.mark.parametrize("name", write.scripts())
def test_a_figure_is_shown(name):
    assert f":::{{picture}} {name}\n" in (DOCS / "figures.md").read_text("utf-8")


def test_a_changed_number_is_told_from_rounding():
    old = (OUT / "tangent-light.svg").read_text("utf-8")
    assert not write.differs(old, old)
    place = re.search(r'd="M (\d+)\.(\d+)', old)
    assert write.differs(old, old[: place.start(1)] + str(int(place[1]) + 1) + old[place.end(1) :])
    assert write.differs(old, old.replace("</svg>", "<g/></svg>"))
    near = old.replace(place[0], f'd="M {float(f"{place[1]}.{place[2]}") + 0.02:.2f}', 1)
    assert near != old
    assert not write.differs(old, near)
    assert write.differs(old, old.replace("#0b67a8", "#0b67a9"))
