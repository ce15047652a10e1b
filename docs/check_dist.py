"""Builds the source distribution and the wheel into dist/, and tries them as a user would who has nothing else.

The wheel built from the source distribution is that of the repository, byte by byte; both are complete, and an index
would take them. In a new environment, of NumPy and the wheel alone, the package is imported from another folder, and
every example of its description does what it shows. The links of the description lead to files of the repository.
``make dist`` calls this.
"""

import argparse
import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("dualgrad", "tests", "examples", "docs", ".ci", ".github")
FILES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "pyproject.toml")
LINK = re.compile(r"\]\(([^)\s]+)\)")
EXAMPLES = """
import doctest, sys
flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
failed, tried = doctest.testfile(sys.argv[1], module_relative=False, optionflags=flags, encoding="utf-8")
import dualgrad
print(f"{dualgrad.__file__}, {dualgrad.__version__}: {tried - failed} of {tried} examples of the description hold")
sys.exit(bool(failed or not tried))
"""

# ---------------------------------------------------------------------- what is looked for


def sources(root):
    """The files of the repository that belong into a source distribution."""
    found = {root / name for name in FILES}
    for folder in FOLDERS:
        found.update(path for path in (root / folder).rglob("*") if path.is_file())
    built = {"__pycache__", "_build", ".pytest_cache", ".hypothesis"}
    names = (path.relative_to(root) for path in found)
    return {name.as_posix() for name in names if not built.intersection(name.parts) and name.suffix != ".pyc"}


def lost_sources(names, root):
    """What a source distribution with files of these names lacks."""
    return [f"the source distribution lacks {name}" for name in sorted(sources(root) - set(names))]


def lost_modules(names, root):
    """What a wheel with files of these names lacks, and what it has that it should not."""
    package = {name for name in sources(root) if name.startswith("dualgrad/")}
    other = {name for name in names if not name.startswith(("dualgrad/", "dualgrad-"))}
    return [f"the wheel lacks {name}" for name in sorted(package - set(names))] + [
        f"the wheel has {name}, which is not of the package" for name in sorted(other)
    ]


def dead_links(description, address, version, root):
    """Links of a description that lead nowhere from an index: relative ones, and those to files that are not there."""
    start, found = f"{address.rstrip('/')}/", []
    for link in LINK.findall(description):
        if link.startswith(start):
            view, tag, name = link.removeprefix(start).split("/", 2)
            if view not in ("raw", "blob") or tag != f"v{version}" or not (root / name.partition("#")[0]).exists():
                found.append(f"the description links to {link}, which is no file here")
        elif not re.match("https?://|#", link):
            found.append(f"the description has the relative link {link}")
    return found


def different(one, other):
    """The files in which two wheels differ."""
    with zipfile.ZipFile(one) as a, zipfile.ZipFile(other) as b:
        names = set(a.namelist()) ^ set(b.namelist())
        names |= {name for name in set(a.namelist()) - names if a.read(name) != b.read(name)}
    return [f"the wheel from the source distribution and that from the repository differ in {n}" for n in sorted(names)]


def described(wheel):
    """The metadata of a wheel: version, links and the description."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


# ---------------------------------------------------------------------- what is done


def run(*command, **settings):
    subprocess.run([*map(str, command)], check=True, **settings)


def built(root, target):
    """The source distribution of the repository and the wheel made of it, and the wheel of the repository itself."""
    shutil.rmtree(target, ignore_errors=True)
    build = (sys.executable, "-m", "build", "--no-isolation")
    run(*build, "--outdir", target, root, stdout=subprocess.DEVNULL)
    run(*build, "--wheel", "--outdir", target / "direct", root, stdout=subprocess.DEVNULL)
    (direct,), (wheel,), (source,) = ([*target.glob(p)] for p in ("direct/*.whl", "*.whl", "*.tar.gz"))
    return source, wheel, direct


def problems(source, wheel, direct, root):
    """All that is wrong with what was built, before it is installed."""
    with tarfile.open(source) as archive:
        files = [m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()]
    with zipfile.ZipFile(wheel) as archive:
        modules = archive.namelist()
    about, address = described(wheel), tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    links = dead_links(about.get_payload(decode=True).decode(), address["Repository"], about["Version"], root)
    return [*lost_sources(files, root), *lost_modules(modules, root), *different(wheel, direct), *links]


def try_installed(wheel):
    """Install a wheel beside NumPy alone, and run the examples of its description, in a folder that has neither."""
    with tempfile.TemporaryDirectory() as folder:
        away = Path(folder)
        run(sys.executable, "-m", "venv", away / "venv")
        python = away / "venv" / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
        text = described(wheel).get_payload(decode=True).decode()
        (away / "description").write_text(re.sub(r"^```.*$", "", text, flags=re.MULTILINE), "utf-8")
        run(python, "-I", "-c", EXAMPLES, "description", cwd=away, env={**os.environ, "COLUMNS": "100"})
        listed = subprocess.check_output([python, "-m", "pip", "list", "--format=freeze"], text=True)
        packages = {line.partition("==")[0] for line in listed.split()} - {"pip", "setuptools"}
        if packages != {"dualgrad", "numpy"}:
            raise SystemExit(f"the wheel brought {sorted(packages)}; expected dualgrad and numpy alone")


def main():
    """Build, check, install, try."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    target = ROOT / "dist"
    source, wheel, direct = built(ROOT, target)
    if found := problems(source, wheel, direct, ROOT):
        raise SystemExit("\n".join(found))
    shutil.rmtree(target / "direct")
    run(sys.executable, "-m", "twine", "check", "--strict", source, wheel)
    try_installed(wheel)
    print(*(f"dist/{path.name}: {path.stat().st_size / 1e6:.1f} MB" for path in (source, wheel)), sep="\n")


if __name__ == "__main__":
    main()
