"""docs/check_dist.py finds what is wrong with a distribution, and the links of README.md are right on an index."""

import importlib
import sys
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import dualgrad as dg

ROOT = Path(__file__).parents[2]
ADDRESS, VERSION = "https://example.org/of/it", "1.2"
ABOUT = "Metadata-Version: 2.4\nName: it\nVersion: 1.2\n\nSee [it](https://example.org/of/it/blob/v1.2/docs/page.md)."
REPOSITORY = {
    "pyproject.toml": f'[project.urls]\nRepository = "{ADDRESS}"\n', "README.md": "", "CHANGELOG.md": "", "LICENSE": "",
    "CONTRIBUTING.md": "", "Makefile": "", "dualgrad/__init__.py": "", "dualgrad/py.typed": "", "docs/page.md": "",
    "docs/_build/page.html": "", "tests/__pycache__/t.pyc": "", "tests/test_it.py": "",
}  # fmt: skip
SOURCES = [name for name in REPOSITORY if "__pycache__" not in name and "_build" not in name]
WHEEL = {"dualgrad/__init__.py": "", "dualgrad/py.typed": "", "dualgrad-1.2.dist-info/METADATA": ABOUT}


@pytest.fixture
def check(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("check_dist")


@pytest.fixture
def absolute(monkeypatch):
    """The function of docs/readme_hook.py, whose class needs hatchling."""
    interface = "hatchling.metadata.plugin.interface"
    monkeypatch.setitem(sys.modules, interface, SimpleNamespace(MetadataHookInterface=object))
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("readme_hook").absolute


def distribution(folder, sources, wheel, direct=WHEEL):
    """A source distribution and two wheels of these files, and the repository."""
    for name, text in REPOSITORY.items():
        path = folder / "repository" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    with tarfile.open(folder / "it.tar.gz", "w:gz") as archive:
        for name in sources:
            archive.add(folder / "repository" / name, f"it-1.2/{name}")
    for name, files in (("it.whl", wheel), ("direct.whl", direct)):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
    return folder / "it.tar.gz", folder / "it.whl", folder / "direct.whl", folder / "repository"


def test_a_sound_distribution_has_no_faults(check, tmp_path):
    assert check.problems(*distribution(tmp_path, SOURCES, WHEEL)) == []


@pytest.mark.parametrize(
    ("lost", "changed", "says"),
    [
        ("tests/test_it.py", {}, "the source distribution lacks tests/test_it.py"),
        ("CONTRIBUTING.md", {}, "the source distribution lacks CONTRIBUTING.md"),
        ("", {"dualgrad/py.typed": None}, "the wheel lacks dualgrad/py.typed"),
        ("", {"tests/test_it.py": ""}, "the wheel has tests/test_it.py, which is not of the package"),
        ("", {"dualgrad/__init__.py": "x = 1"}, "differ in dualgrad/__init__.py"),
        ("", {"dualgrad-1.2.dist-info/METADATA": ABOUT.replace("page", "other")}, "other.md, which is no file here"),
        ("", {"dualgrad-1.2.dist-info/METADATA": ABOUT.replace("v1.2", "v1.1")}, "page.md, which is no file here"),
        ("", {"dualgrad-1.2.dist-info/METADATA": ABOUT + " [a](docs/page.md)"}, "the relative link docs/page.md"),
    ],
)
def test_a_planted_fault_is_named(check, tmp_path, lost, changed, says):
    wheel = {name: text for name, text in (WHEEL | changed).items() if text is not None}
    found = check.problems(*distribution(tmp_path, [name for name in SOURCES if name != lost], wheel))
    assert any(says in problem for problem in found), found


def test_links_become_those_of_the_repository_at_this_version(absolute):
    text = "![a](docs/a.png) [b](b.md#c), [d](#d), [e](https://e.org), [f](mailto:f@e.org)"
    assert absolute(text, ADDRESS + "/", VERSION) == (
        f"![a]({ADDRESS}/raw/v1.2/docs/a.png) [b]({ADDRESS}/blob/v1.2/b.md#c), [d](#d), [e](https://e.org), "
        "[f](mailto:f@e.org)"
    )


def test_no_link_of_the_readme_is_dead_on_an_index(absolute, check):
    text = (ROOT / "README.md").read_text("utf-8")
    assert check.dead_links(text, ADDRESS, dg.__version__, ROOT)
    assert check.dead_links(absolute(text, ADDRESS, dg.__version__), ADDRESS, dg.__version__, ROOT) == []


def test_a_source_distribution_is_made_of_what_there_is(check):
    found = check.sources(ROOT)
    assert {"dualgrad/py.typed", "tests/conftest.py", "examples/digits.py", "docs/index.md", ".ci/run"} <= found
    assert not any("__pycache__" in name or "_build" in name for name in found)
