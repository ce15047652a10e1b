"""What docs/maintainers/adding says is so: its examples are performed as they stand there, in a copy of the repository.

A block with a title is a file: a new one, or a change of one, whose lines without a plus must stand there once. Shell
blocks are the checks to run. All examples are performed side by side, and all checks pass; then all faults are planted,
and the first check of each page fails.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
ADDING = ROOT / "docs" / "maintainers" / "adding"
BLOCK = re.compile(r"^(`{3,})(?:\{code-block\} (\w+)\n:caption: (.+?)\n\n|(sh)\n)(.*?)\n\1$", re.MULTILINE | re.DOTALL)
BROKEN = ", broken on purpose"
COPIED = ("dualgrad", "docs", "tests", "examples", "pyproject.toml", "README.md", "CHANGELOG.md")
UNNEEDED = shutil.ignore_patterns("__pycache__", "_build", "img")
RUN = """
import json, runpy, sys
import pytest
sys.path.insert(0, ".")
results = []
for program, *arguments in json.loads(sys.argv[1]):
    if program == "pytest":
        # that plugin collects garbage five times at the end of every session, which doubles the time of a short one
        results.append(int(pytest.main([*arguments, "-q", "-p", "no:cacheprovider", "-p", "no:unraisableexception"])))
        continue
    sys.argv[1:] = arguments
    try:
        runpy.run_path(program, run_name="__main__")
        results.append(0)
    except SystemExit as error:
        results.append(error.code or 0)
print("\\n" + json.dumps(results))
"""


class Page(NamedTuple):
    """The steps of one page."""

    steps: list  # (kind, file, text)
    faults: list
    checks: list


def read(path):
    """A page, taken apart."""
    steps, faults, checks = [], [], []
    for _, kind, said, shell, text in BLOCK.findall(path.read_text("utf-8")):
        title = said.replace("`", "")
        if shell:
            checks += map(command, text.splitlines())
        elif title.endswith(BROKEN):
            faults.append((kind, title.removesuffix(BROKEN), text))
        else:
            steps.append((kind, title, text))
    return Page(steps, faults, checks)


def command(line):
    """A line of a shell block, as what is run for it."""
    words = shlex.split(line)
    if words[0] != "make":
        return words
    return [f"docs/make_{words[1]}.py", *(each for word in words[2:] for each in word.removeprefix("ARGS=").split())]


def perform(root, kind, name, text):
    """One step in a repository: a new file, or the change of one."""
    path = root / name
    if kind != "diff":
        assert not path.exists(), f"{name} is there already"
        path.write_text(text + "\n", "utf-8")
        return
    lines = [line or " " for line in text.splitlines()]
    before, after = ("".join(f"{line[1:]}\n" for line in lines if line[0] != mark) for mark in "+-")
    old = path.read_text("utf-8")
    assert f"\n{old}".count(f"\n{before}") == 1, f"{name} should have, once:\n{before}"
    path.write_text(f"\n{old}".replace(f"\n{before}", f"\n{after}")[1:], "utf-8")


def run(root, checks):
    """How each check ends, in one process, and what they said."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(checks)], cwd=root, capture_output=True, text=True, check=False,
        env={"PATH": "", "HYPOTHESIS_PROFILE": "lean", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr


PAGES = {path.stem: read(path) for path in sorted(ADDING.glob("*.md"))}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the repository in which every page was followed."""
    root = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        source = ROOT / name
        shutil.copytree(source, root / name, ignore=UNNEEDED) if source.is_dir() else shutil.copy(source, root / name)
    for page in PAGES.values():
        for step in page.steps:
            perform(root, *step)
    return root


def test_every_page_has_steps_a_check_and_a_fault():
    examples = {name: page for name, page in PAGES.items() if name != "index"}
    assert set(examples) == {"rule", "layer", "estimator", "direction", "optimizer", "learner", "experiment", "page"}
    assert all(page.steps and page.checks and len(page.faults) == 1 for page in examples.values())
    assert not PAGES["index"].steps
    blocks = "".join(path.read_text("utf-8") for path in ADDING.glob("*.md"))
    assert len(BLOCK.findall(blocks)) == blocks.count("{code-block}") + blocks.count("```sh")


def test_who_follows_the_pages_passes_the_checks_they_name_and_who_errs_does_not(copy):
    checks = [check for name, page in PAGES.items() if name != "index" for check in page.checks]
    checks += PAGES["index"].checks  # of all together
    results, said = run(copy, checks)
    failed = [shlex.join(check) for check, result in zip(checks, results, strict=True) if result]
    assert not failed, f"{failed}\n{said}"
    first = {name: page.checks[0] for name, page in PAGES.items() if page.faults}
    for name in first:
        perform(copy, *PAGES[name].faults[0])
    results, said = run(copy, [[*check, "-x", "--tb=no"] for check in first.values()])
    passed = [name for name, result in zip(first, results, strict=True) if result != 1]
    assert not passed, f"{passed}\n{said}"


@pytest.mark.parametrize(
    ("kind", "name", "text", "says"),
    [
        ("python", "there.py", "x = 1", "is there already"),
        ("diff", "there.py", " z = 3\n+w = 4", r"should have, once:\s+z = 3"),
        ("diff", "there.py", " a = 1\n+b = 2", r"should have, once:\s+a = 1"),
    ],
)
def test_a_step_that_does_not_fit_is_refused(tmp_path, kind, name, text, says):
    (tmp_path / "there.py").write_text("a = 1\nb = 1\na = 1\n")
    with pytest.raises(AssertionError, match=says):
        perform(tmp_path, kind, name, text)


def test_a_step_is_performed_as_it_stands(tmp_path):
    perform(tmp_path, "python", "new.py", "a = 1\n\nb = 2")
    perform(tmp_path, "diff", "new.py", " a = 1\n\n-b = 2\n+b = 3\n+c = 4")
    assert (tmp_path / "new.py").read_text() == "a = 1\n\nb = 3\nc = 4\n"
