"""JavaScript of the documentation, run by node or by Chromium, and pages that are driven in Chromium."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
STATIC = DOCS / "_static"
NODE = shutil.which("node")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PLAIN = (
    "(k, v) => typeof v === 'number' && (!Number.isFinite(v) || Object.is(v, -0)) ? (v === 0 ? '-0' : String(v)) : v"
)
WATCH = """
window.problems = [];
window.addEventListener("error", (e) => problems.push(String(e.message)), true);
for (const kind of ["error", "warn"]) console[kind] = (...what) => problems.push(what.join(" "));
"""
HELP = """
const $ = (selector) => document.querySelector(selector), all = (selector) => [...document.querySelectorAll(selector)];
const type = (input, text) => {
  input.value = text;
  for (const kind of ["input", "change"]) input.dispatchEvent(new Event(kind, { bubbles: true }));
};
const labelled = (text) => all("label").find((l) => l.textContent.startsWith(text)).control;
"""


def browsed(page, *options, milliseconds=3000):
    """Chromium's run over a page, which prints the DOM after so many milliseconds of its scripts."""
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--virtual-time-budget={milliseconds}",
        *options,
    ]
    return subprocess.run([*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=300)


def dumped(page, *options, milliseconds=3000):
    """The DOM of a page after its scripts."""
    done = browsed(page, *options, milliseconds=milliseconds)
    done.check_returncode()
    return done.stdout


def drive(parts, script, folder):
    """What ``script``, an expression in JavaScript, is after ``parts``, HTML, and what the console complained of."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: a page cannot be driven")
    page = folder / "driven.html"
    run = f"""
    let answer;
    try {{ answer = {{ value: (() => {{ {script} }})(), problems }}; }}
    catch (e) {{ answer = {{ problems: [...problems, String(e.stack)] }}; }}
    const said = document.createElement("pre");
    said.textContent = JSON.stringify(answer, {PLAIN});
    document.body.replaceChildren(said);
    """
    head = f'<!doctype html><meta charset="utf-8"><script>{WATCH}</script>'
    page.write_text(f"{head}<body>{parts}<script>{HELP}{run}</script></body>", "utf-8")
    found = re.search(r"<pre>(.*?)</pre>", dumped(page), re.DOTALL)
    assert found, "the page did not come to its end"
    answer = json.loads(html.unescape(found[1]))
    assert answer["problems"] == [], answer["problems"]
    return answer.get("value")


def interactive(name):
    """The HTML of an interactive page of the documentation, with its scripts from where they lie."""
    text = (DOCS / "interactive" / f"{name}.md").read_text("utf-8")
    found = re.search(r"```\{raw\} html\n(.*?)```", text, re.DOTALL)[1]
    return found.replace("../_static/", STATIC.as_uri() + "/")


def evaluated(scripts, expression, given, folder):
    """An expression of JavaScript of ``given``, plain data, after scripts of docs/_static/interactive."""
    paths = [STATIC / "interactive" / name for name in scripts]
    if NODE is None:
        parts = "".join(f'<script src="{path.as_uri()}"></script>' for path in paths)
        return drive(parts, f"const given = {json.dumps(given)}; return {expression};", folder)
    program = "".join(f"require({json.dumps(str(path))});" for path in paths)
    program += (
        f"const given = JSON.parse(require('fs').readFileSync(0)); console.log(JSON.stringify({expression}, {PLAIN}));"
    )
    done = subprocess.run([NODE, "-e", program], input=json.dumps(given), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
