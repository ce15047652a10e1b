"""The lessons as notebooks that run in a browser, with the wheel beside them: a JupyterLite site in docs/_build/live.

What a reader's browser fetches itself is Pyodide and its NumPy and matplotlib, from the network: none of that is tried
here. Where Node can install Pyodide (``npm install pyodide``) the wheel is: its files compile under Pyodide's Python,
and importing them gets as far as NumPy. What was tried is said at the end. ``make docs-live`` calls this.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LIVE = HERE / "_build" / "live"
PYODIDE = """
import { loadPyodide } from "pyodide";
import { readFileSync } from "node:fs";
const python = await loadPyodide();
python.FS.mkdir("/wheel");
python.unpackArchive(new Uint8Array(readFileSync(process.argv[2])), "wheel", { extractDir: "/wheel" });
console.log(python.runPython(`
import compileall, sys
sys.path.insert(0, "/wheel")
compiled = compileall.compile_dir("/wheel/dualgrad", quiet=1)
try:
    import dualgrad
    reached = "imported"
except ModuleNotFoundError as error:
    reached = error.name
f"{sys.version.split()[0]} {bool(compiled)} {reached}"
`));
"""


def notebooks(folder):
    """The lessons, as files that JupyterLite opens; a first cell fetches what the kernel has not got."""
    import jupytext
    import nbformat
    from plain_notebooks import rewrite

    folder.mkdir(parents=True)
    for lesson in sorted((HERE / "course").glob("[0-9][0-9]-*.md")):
        book = rewrite(jupytext.read(lesson, fmt="md:myst"), lesson.parent)
        book.cells.insert(0, nbformat.v4.new_code_cell('%pip install -q "dualgrad[course]" matplotlib'))
        jupytext.write(book, folder / f"{lesson.stem}.ipynb")


def wheel(folder):
    """The wheel of this repository."""
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, HERE.parent)
    (built,) = folder.glob("dualgrad-*.whl")
    return built


def run(*command, **keywords):
    return subprocess.run([str(part) for part in command], check=True, **keywords)


def compiled_by_pyodide(built, folder):
    """The Python of Pyodide, whether all files compile there, and what importing them stops at; None without it."""
    node = shutil.which("node")
    script = folder / "try.mjs"
    if node is None or not (folder / "node_modules" / "pyodide").is_dir():
        return None
    script.write_text(PYODIDE, "utf-8")
    done = run(node, script, built, capture_output=True, text=True, cwd=folder)
    return done.stdout.split()


def main():
    """Build the site, and say what was tried."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pyodide", type=Path, metavar="DIR", default=LIVE.parent,
                        help="where npm has installed pyodide (default: docs/_build)")  # fmt: skip
    args = parser.parse_args()
    shutil.rmtree(LIVE, ignore_errors=True)
    work = LIVE.with_name("live-work")
    shutil.rmtree(work, ignore_errors=True)
    notebooks(work / "lessons")
    built = wheel(work / "wheels")
    run(sys.executable, "-m", "jupyter", "lite", "build", "--contents", work / "lessons", "--output-dir", LIVE,
        "--piplite-wheels", built, cwd=work, stdout=subprocess.DEVNULL)  # fmt: skip
    print(f"{LIVE}: serve it with python -m http.server --directory {LIVE}")
    found = compiled_by_pyodide(built, args.pyodide.resolve())
    if found is None:
        print("not tried under Pyodide, which is not here: npm install --prefix docs/_build pyodide")
        return 0
    version, compiles, reached = found
    print(f"under Pyodide's Python {version}: files {'compile' if compiles == 'True' else 'do not compile'}, "
          f"import gets as far as {reached}, which a browser fetches")  # fmt: skip
    return 0 if compiles == "True" and reached == "numpy" else 1


if __name__ == "__main__":
    raise SystemExit(main())
