"""The page of a trace, driven in headless Chromium: a path of clicks and keys, what is lit up, and no error."""

import html
import importlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg
from tests.support.pages import CHROMIUM, dumped

DOCS = Path(__file__).parents[2] / "docs"

FIRST = '<script>window.errors = []; addEventListener("error", e => errors.push(e.message)); \
console.error = console.warn = (...a) => errors.push(a.join(" "));</script>'
DRIVER = """<script>
(async () => {
  const click = id => document.getElementById(id).click();
  const key = k => document.body.dispatchEvent(new KeyboardEvent("keydown", {key: k, bubbles: true, cancelable: true}));
  const slide = (id, value) => { const s = document.getElementById(id); s.value = value;
    s.dispatchEvent(new Event("input", {bubbles: true})); };
  const wait = ms => new Promise(done => setTimeout(done, ms));
  const text = nodes => [...nodes].map(node => node.textContent);
  const all = query => document.querySelectorAll(query);
  const look = () => ({
    of: new Set([...all("tr.row")].map(r => r.dataset.row)).size,
    count: document.getElementById("count").textContent,
    rows: [...new Set([...all("tr.active")].map(r => r.dataset.row))].map(Number),
    operands: [...new Set([...all("tr.operand")].map(r => r.dataset.row))].map(Number),
    boxes: [...all(".box.active")].map(b => Number(b.dataset.row)),
    edges: [...all(".edge.active")].map(
      e => [e.dataset.from, e.dataset.to, text(e.querySelectorAll("text")).join()]),
    line: [...all(".code.active")].map(c => Number(c.dataset.line)),
    mark: text(all("mark")),
    parts: Object.fromEntries([...all("pre[data-part]")].map(p => [p.dataset.part, p.textContent])),
    local: text(all(".local")), layers: text(all(".badge")), play: document.getElementById("play").textContent,
    seen: (() => { const p = document.getElementById("table").getBoundingClientRect(),
      r = document.querySelector("tr.active").getBoundingClientRect();
      return r.top >= p.top && r.bottom <= p.bottom; })(),
  });
  const seen = [];
  for (const [what, with_] of STEPS) {
    if (what === "click") click(with_);
    if (what === "key") key(with_);
    if (what === "wait") await wait(with_);
    if (what === "speed" || what === "direction") slide(what, with_);
    if (what === "row") document.querySelector(`tr[data-row="${with_}"]`).click();
    await wait(1);
    seen.push(look());
  }
  const found = document.createElement("script");
  found.type = "application/json";
  found.id = "found";
  const wide = document.documentElement.scrollWidth;
  found.textContent = JSON.stringify({seen, errors, wide}).replace(/</g, "\\\\u003c");
  document.body.append(found);
})();
</script>"""


def drive(trace, path, steps, width=1300):
    """What the page shows after each of the steps."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: the page of a trace is not driven")
    page = trace.to_html()
    page = page.replace("<title>", FIRST + "<title>", 1).replace(
        "</html>", DRIVER.replace("STEPS", json.dumps(steps)) + "</html>"
    )
    file = path / "page.html"
    file.write_text(page, "utf-8")
    shown = dumped(file, f"--user-data-dir={path / 'profile'}", f"--window-size={width},900", milliseconds=20_000)
    found = json.loads(re.search(r'<script type="application/json" id="found">(.*?)</script>', shown, re.S)[1])
    assert found["errors"] == []
    return found["seen"], found["wide"]


def textbook(x1, x2):
    a = np.log(x1)
    b = x1 * x2
    c = np.sin(x2)
    return a + b - c


def curvature(x):
    slope = dg.grad(lambda y: np.sum(np.sin(y) * y))
    return np.sum(slope(x) * (x * x))


def test_a_path_of_clicks_and_keys(tmp_path):
    trace = dg.trace(textbook, (2.0, 5.0), (1.0, 0.0))
    steps = [("wait", 1), *[("click", name) for name in ("forward", "forward", "back", "last", "first")]]
    steps += [("key", name) for name in ("ArrowRight", "End", "ArrowLeft", "Home")]
    steps += [("row", 3), ("speed", 6), ("key", " "), ("wait", 1000), ("click", "play"), ("click", "play")]
    seen, _ = drive(trace, tmp_path, steps)
    at = [look["rows"] for look in seen]
    assert at[:12] == [[1], [2], [3], [2], [6], [0], [1], [6], [5], [0], [3], [3]]
    assert all(look["boxes"] == look["rows"] and look["seen"] for look in seen)
    product = seen[2]
    assert product["count"] == "4 / 7"
    assert product["operands"] == [0, 1]
    assert product["edges"] == [["v-1", "v2", "× 5"], ["v0", "v2", "× 2"]]
    assert product["mark"] == ["x1 * x2"]
    assert product["line"] == [trace.row("v2").line]
    assert product["parts"] == {"value": "10", "tangent": "5"}
    assert product["local"] == ["local derivatives: ∂v2/∂v-1 = 5,  ∂v2/∂v0 = 2"]
    assert seen[4]["mark"] == ["a + b - c"]
    assert [look["play"] for look in seen[-4:]] == ["Pause", "Play", "Pause", "Play"]
    assert at[-3] == [6]


def test_the_slider_goes_over_the_directions(tmp_path):
    trace = dg.trace(lambda x: np.square(x), (np.array([1.0, 2.0]),), (np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),))
    seen, _ = drive(trace, tmp_path, [("click", "last"), ("direction", 1), ("direction", 2)])
    assert [look["parts"]["tangent"].split() for look in seen] == [["2", "0"], ["0", "4"], ["2", "4"]]


@pytest.mark.parametrize("width", [1300, 500])
def test_layers_second_edges_and_narrow_windows(tmp_path, width):
    trace = dg.trace(curvature, (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    seen, wide = drive(trace, tmp_path, [("click", "first"), *[("click", "forward")] * (len(trace.rows) - 1)], width)
    assert wide <= width
    assert "layer 2" in seen[0]["layers"]
    by_step = {row.step: look for row, look in zip(trace.rows, seen, strict=True)}
    inner = next(row for row in trace.rows if row.operation == "sin")
    assert set(by_step[inner.step]["parts"]) == {"value", "tangent", "along ε₂", "tangent of that"}
    square = next(row for row in trace.rows if row.operation == "multiply" and row.edges == ("v0", "v0"))
    assert [edge[:2] for edge in by_step[square.step]["edges"]] == [["v0", square.step]] * 2


def test_a_long_trace_scrolls_to_the_active_row(tmp_path):
    def loop(x):
        for _ in range(250):
            x = np.sin(x) * 1.01
        return x

    trace = dg.trace(loop, (1.0,), (1.0,))
    seen, _ = drive(
        trace,
        tmp_path,
        [("click", "last"), ("wait", 900), ("click", "first"), ("wait", 900), ("row", 260), ("wait", 900)],
    )
    assert [look["rows"] for look in seen[1::2]] == [[500], [0], [260]]
    assert all(look["seen"] for look in seen[1::2])
    assert len(trace.to_html()) < 300_000


def hostile():
    """Traces that a page may stumble over."""
    x, v = np.array([1.0, 2.0]), np.eye(2)
    scope = {"np": np}
    exec("def unseen(x):\n    return np.sin(x) * 2\n", scope)
    model = dg.nn.Sequential(dg.nn.Linear(3, 40), dg.nn.Tanh(), dg.nn.Linear(40, 2))
    params = model.init(rng=0, dtype=np.float64)
    objective = dg.nn.Objective(model, dg.nn.mse).bind(np.ones((5, 3)), np.zeros((5, 2)))

    @dg.custom_jvp
    def twice(x):
        return np.sin(x) + np.sin(x)

    twice.defjvp(lambda primals, tangents: (twice(*primals), 2 * np.cos(primals[0]) * tangents[0]))

    def writes(x):
        out = np.zeros_like(x)
        view = out[1:]
        view[0] = x[0] ** 2
        out += 1
        return out

    def loop(x):
        for _ in range(500):
            x = np.sin(x) * 1.01
        return x

    with np.errstate(all="ignore"):
        yield "network", dg.trace(objective, (params,), (dg.directions.Rademacher().sample(params, rng=0, n=3),))
        yield "nan", dg.trace(lambda x: np.log(x - x) * 0.0, (x,), (v,))
    yield "complex", dg.trace(lambda z: z * np.exp(z), (np.array([1 + 2j, -3j]),), (np.ones(2, complex),))
    yield "empty", dg.trace(lambda x: np.sin(x) * 2, (np.zeros((0, 3)),), (np.zeros((0, 3)),))
    yield "no source", dg.trace(scope["unseen"], (1.0,), (1.0,))
    yield "script", dg.trace(lambda x: x * len("</script><b>&amp;"), (1.0,), (1.0,))
    yield "unicode", dg.trace(lambda 値: 値["<é漢>"] * 2, ({"<é漢>": 1.0},), ({"<é漢>": 1.0},))
    yield "nested", dg.trace(lambda x: dg.hessian(lambda y: np.sum(y**3 * x))(x), (x,), (v,))
    yield "in jvp", dg.trace(lambda x: dg.jvp(lambda y: y * x * y, (3.0,), (1.0,))[1], (2.0,), (1.0,))
    yield "custom", dg.trace(lambda x: dg.derivative(lambda y: twice(y) * x)(x), (2.0,), (1.0,))
    yield "writes", dg.trace(writes, (x,), (v,))
    yield "loop", dg.trace(loop, (1.0,), (1.0,))
    yield "long", dg.trace(lambda x: sum(loop(x) for _ in range(4)), (x,), (np.ones((3, 2)),))
    layer = dg.nn.Sequential(dg.nn.Linear(2, 3), dg.nn.Tanh(), dg.nn.Linear(3, 1))
    weights = layer.init(rng=0, dtype=np.float64)
    inner = lambda p: dg.derivative(lambda t: layer(p, np.stack([t, t * 2])[None])[0, 0])(1.0)  # noqa: E731
    yield "layer", dg.trace(inner, (weights,), (weights,))
    yield "nothing", dg.trace(lambda: 1.0, (), ())
    yield "lines", dg.trace(lambda x: np.sum(
        np.sin(x) * 2
    ), (x,), (v,))  # fmt: skip


def test_hostile_traces_have_a_page_and_sheets(tmp_path):
    for name, trace in hostile():
        page = trace.to_html()
        assert len(page.encode()) < 300_000, name
        assert page.count("</script>") == 2, name
        data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])
        steps = [row["step"] for row in data["rows"]]
        assert steps == [row.step for row in trace.rows] or name == "long", name
        assert not re.search(r"(?:src|href)=|@import|url\((?!#)|fetch\(", page), name
        sheet = trace.to_latex(columns=("step", "operation", "primal", "tangent", "local", "source"))
        plain = re.sub(r"\\[\\{}$&%#_]", "", sheet)
        assert plain.count("{") == plain.count("}"), name
        assert plain.count("$") % 2 == 0, name
        assert all(c.isascii() or c in "ε₂₃∂×·←αéΣ値漢" for c in sheet), (name, sheet)
        table = [line for line in trace.to_markdown().splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1, name


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_hostile_sheets_compile(tmp_path):
    columns = ("step", "operation", "shape", "primal", "tangent", "local", "cost", "source")
    sheets = [t.to_latex(columns=columns, names=k) for _, t in hostile() for k in ("numpy", "mathematical")]
    text = "\n\n".join(sheets).replace("値", "").replace("漢", "")  # which pdflatex cannot set
    document = rf"\documentclass{{article}}\begin{{document}}\tiny {text}\end{{document}}"
    (tmp_path / "sheet.tex").write_text(document, "utf-8")
    call = ["pdflatex", "-interaction=nonstopmode", "sheet.tex"]
    log = subprocess.run(
        call, cwd=tmp_path, capture_output=True, encoding="utf-8", errors="replace", check=False
    ).stdout
    assert not re.findall("^!.*", log, re.M)


def test_hostile_pages_run(tmp_path):
    for name, trace in hostile():
        if name in ("nan", "complex", "empty", "script", "unicode", "nested", "nothing", "no source", "long"):
            (tmp_path / name).mkdir()
            steps = [("click", "last"), ("click", "back")] if trace.rows else []
            seen, _ = drive(trace, tmp_path / name, steps)
            assert [look["rows"] for look in seen][:1] == [[look["of"] - 1] for look in seen[:1]], name


def test_the_pages_of_the_docs_are_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    make_trace = importlib.import_module("make_trace")
    for name, page in make_trace.pages().items():
        assert (DOCS / "_static" / name).read_text("utf-8") == page, "run python docs/make_trace.py"
        shown = [(DOCS / "trace.md").read_text("utf-8"), (DOCS.parent / "README.md").read_text("utf-8")]
        assert any(name.removeprefix("../") in text for text in shown)


def test_to_html_writes_the_file_and_fits_an_attribute(tmp_path):
    trace = dg.trace(textbook, (2.0, 5.0), (1.0, 0.0))
    page = trace.to_html(tmp_path / "x.html", title="a < b")
    assert (tmp_path / "x.html").read_text("utf-8") == page
    assert "<title>a &lt; b</title>" in page
    assert html.unescape(html.escape(page)) == page
