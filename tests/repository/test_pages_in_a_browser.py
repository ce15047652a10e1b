"""The docs as a browser shows them: no page scrolls sideways, no program does where there is room, no cell of a table
runs into the next, and what is copied is the program alone.

``make test-pages`` runs this on what ``make docs`` has built, where Chromium is.
"""

import doctest
import html
import json
import os
import re
from pathlib import Path

import pytest

from tests.support.pages import CHROMIUM, browsed

ROOT = Path(__file__).parents[2]
needs_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
needs_pages = pytest.mark.skipif("DUALGRAD_PAGES" not in os.environ, reason="looked at by make docs test-pages")

# What sticks out of the window, and does not lie in something that scrolls by itself.
MEASURE = """
const frames = {}, pages = PAGES, width = WIDTH;
const outside = (frame) => {
  const style = frame.contentWindow.getComputedStyle, found = [];
  for (const element of frame.contentDocument.querySelectorAll("article *")) {
    const box = element.getBoundingClientRect();
    if (!box.width || box.right <= width + 1) continue;
    let parent = element.parentElement;
    while (parent && !["auto", "scroll", "hidden"].includes(style(parent).overflowX)) parent = parent.parentElement;
    if (!parent || parent.matches("html, body, .content")) found.push(element.tagName + ": " + element.textContent);
  }
  return found.map((text) => text.trim().slice(0, 60));
};
const programs = (frame) =>
  [...frame.contentDocument.querySelectorAll("article pre")].filter((e) => e.scrollWidth > e.clientWidth + 1)
    .map((e) => "PROGRAM: " + e.textContent.split("\\n").sort((a, b) => b.length - a.length)[0].trim().slice(0, 60));
const spilling = (frame) => {
  for (const spoken of frame.contentDocument.querySelectorAll("mjx-assistive-mml")) spoken.remove();  // never drawn
  return [...frame.contentDocument.querySelectorAll("article :is(td, th)")]
    .filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => "CELL: " + e.textContent.trim().slice(0, 60));
};
const measure = (page) => new Promise((done) => {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width: ${width}px; height: 900px; border: 0`;
  frame.onload = () => setTimeout(() => {
    const root = frame.contentDocument.documentElement;
    const found = [...outside(frame), ...spilling(frame), ...(width > 1200 ? programs(frame) : [])];
    frames[page] = [root.scrollWidth, found];
    frame.remove();
    done();
  }, 300);
  frame.src = "SITE/" + page;
  document.body.append(frame);
});
(async () => {
  for (let k = 0; k < pages.length; k += 6) await Promise.all(pages.slice(k, k + 6).map(measure));
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = JSON.stringify(frames);
  document.body.replaceChildren(told);
})();
"""


def in_a_browser(script, folder):
    """What a script leaves in the element #told of an empty page."""
    page = folder / "driver.html"
    page.write_text(f"<!doctype html><body><script>{script}</script></body>", "utf-8")
    options = ["--allow-file-access-from-files", "--disable-web-security", "--window-size=1500,1000"]
    done = browsed(page, *options, f"--user-data-dir={folder / 'profile'}", milliseconds=200_000)
    told = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert told, done.stderr[-2000:]
    return json.loads(html.unescape(told[1]))


def too_wide(site, pages, width, folder):
    script = MEASURE.replace("PAGES", json.dumps(pages)).replace("WIDTH", str(width)).replace("SITE", site.as_uri())
    found = in_a_browser(script, folder)
    assert set(found) == set(pages)
    return {page: (wide, out) for page, (wide, out) in found.items() if wide > width or out}


@pytest.fixture
def site():
    return Path(os.environ["DUALGRAD_PAGES"]).resolve()


@needs_a_browser
@needs_pages
@pytest.mark.parametrize("width", [400, 1300])
def test_no_page_scrolls_sideways_and_no_program_where_there_is_room(site, width, tmp_path):
    pages = sorted(str(page.relative_to(site)) for page in site.rglob("*.html") if "_static" not in page.parts)
    assert len(pages) > 60
    assert not too_wide(site, pages, width, tmp_path)


@needs_a_browser
def test_a_page_that_scrolls_sideways_is_found(tmp_path):
    scrolls = '<div style="overflow-x: auto"><p style="width: 900px">wide, in what scrolls by itself</p></div>'
    for name, body in (("good", scrolls), ("bad", '<p style="width: 900px">wide</p>')):
        (tmp_path / f"{name}.html").write_text(f"<!doctype html><body><article>{body}</article></body>", "utf-8")
    assert list(too_wide(tmp_path, ["good.html", "bad.html"], 400, tmp_path)) == ["bad.html"]


@needs_a_browser
def test_a_program_that_scrolls_where_there_is_room_is_found(tmp_path):
    program = '<pre style="overflow-x: auto; width: 300px">' + "x = 1; " * 60 + "</pre>"
    (tmp_path / "page.html").write_text(f"<!doctype html><body><article>{program}</article></body>", "utf-8")
    assert not too_wide(tmp_path, ["page.html"], 400, tmp_path)
    assert too_wide(tmp_path, ["page.html"], 1300, tmp_path)["page.html"][1] == ["PROGRAM: " + ("x = 1; " * 60)[:60]]


@needs_a_browser
def test_a_cell_that_runs_into_the_next_is_found(tmp_path):
    cells = '<td style="max-width: 5em; white-space: nowrap">a long name that is on one line</td><td>next</td>'
    (tmp_path / "page.html").write_text(f"<!doctype html><body><article><table><tr>{cells}</tr></table></article>")
    assert too_wide(tmp_path, ["page.html"], 400, tmp_path)["page.html"][1] == ["CELL: a long name that is on one line"]


# Every copy button is clicked; what its script would put on the clipboard is kept.
COPY = """
const frame = document.createElement("iframe");
frame.onload = () => setTimeout(() => {
  const page = frame.contentDocument, texts = [];
  page.execCommand = () => texts.push(page.querySelector("textarea[readonly]").value);
  for (const button of page.querySelectorAll("article .copybtn")) button.click();
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = JSON.stringify(texts);
  document.body.replaceChildren(told);
}, 500);
frame.src = "SITE/PAGE";
document.body.append(frame);
"""


@needs_a_browser
@needs_pages
@pytest.mark.parametrize("page", ["dual-numbers-in-ten-minutes", "cookbook/equations", "training", "trace"])
def test_what_is_copied_is_the_program_without_prompts_and_outputs(site, page, tmp_path):
    texts = in_a_browser(COPY.replace("SITE", site.as_uri()).replace("PAGE", f"{page}.html"), tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / f"{page}.md").read_text("utf-8"), re.M | re.S)
    programs = [[e.source for e in doctest.DocTestParser().get_examples(block)] for block in blocks]
    copied = [text.split() for text in texts]
    assert len(programs) > 3
    assert all("".join(program).split() in copied for program in programs)
