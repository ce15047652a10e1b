"""The pages of the papers are made from results: a changed page, a changed result and a missing run are noticed."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "examples")]

import make_papers  # noqa: E402
from lab import Claim, Row, Study, axes, known, over, results, table  # noqa: E402
from lab.queues import accomplish  # noqa: E402

from tests.support.pictures import faults  # noqa: E402


def training(updates, rate, seed):
    return [[0, 0.0, 1.0], [updates, 0.1, 3.0 + rate + seed / 1000]]


def drawn(runs):
    return axes(1)[0]


STUDY = Study(
    "small", training, "updates", ("accuracy",), (Row({"updates": 10}, seeds=2, rates=(0.1, 0.2, 0.3), paper=20),),
    (), lambda runs: {"small": table("Ends", ["rate", "end"], [[r["rate"], r["curve"][-1][2]] for r in runs])}, drawn,
    lambda runs: [Claim("it ends above 2", "2.5", "3.3", over(runs, 2, 2.0))],
)  # fmt: skip
PAGE = "# A paper\n\nText.\n\n<!-- made: small -->\n<!-- end -->\n\n## Claims\n\n<!-- made: claims -->\n<!-- end -->\n"


def test_figures_of_all_runs_can_be_read():
    found = {}
    for study, runs in make_papers.drawn():
        if runs:
            found[study.name] = faults(study.draw(runs))
            make_papers.pyplot().close("all")
    assert len(found) > 10
    assert not {name: said for name, said in found.items() if said}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A page, its study's results, and make_papers that looks there."""
    (tmp_path / "papers").mkdir()
    (tmp_path / "img").mkdir()
    (tmp_path / "papers" / "paper.md").write_text(PAGE)
    (tmp_path / "papers" / "index.md").write_text("<!-- made: verdicts -->\n<!-- end -->\n")
    monkeypatch.setattr(make_papers, "HERE", tmp_path)
    monkeypatch.setattr(make_papers, "SCRIPTS", {"paper": ["script"]})
    monkeypatch.setattr(make_papers, "studies_of", lambda page: {STUDY: "script"})
    monkeypatch.setattr(results, "HERE", tmp_path / "results")
    accomplish([STUDY], 1, make_papers.folder)
    with np.errstate():  # which a process of runs sets for itself
        yield tmp_path


def command(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["make_papers.py", *options])
    return make_papers.main()


def test_pages_are_made_of_results_and_figures_are_drawn(place, monkeypatch):
    assert command(monkeypatch) is None
    text = (place / "papers" / "paper.md").read_text()
    assert "| rate | end |\n| --- | --: |\n| 0.3 | 3.3 |\n| 0.3 | 3.301 |" in text
    edge = "not settled: the best rate, 0.3, is at the edge of its grid; so far it holds"
    assert f"| it ends above 2 | 2.5 | 3.3 | 50 % | 2 | {edge} | `script.py --only small` |" in text
    assert (place / "img" / "small.png").read_bytes().startswith(b"\x89PNG")
    assert text == make_papers.written("paper")[2]
    assert "| [A paper](paper.md) | 0 | 0 | 1 |" in (place / "papers" / "index.md").read_text()
    assert command(monkeypatch, "--check") == 0


def test_a_page_beside_the_papers_is_made_and_counts_for_none(place, monkeypatch):
    (place / "other.md").write_text("# No paper\n\n<!-- made: small -->\n<!-- end -->\n")
    monkeypatch.setattr(make_papers, "SCRIPTS", {"paper": ["script"], "../other": ["script"]})
    command(monkeypatch)
    assert "| 0.3 | 3.301 |" in (place / "other.md").read_text()
    assert "No paper" not in (place / "papers" / "index.md").read_text()


def test_what_a_page_says_against_its_results_is_noticed(place, monkeypatch, capsys):
    assert command(monkeypatch, "--check") == 1
    command(monkeypatch)
    page = place / "papers" / "paper.md"
    page.write_text(page.read_text().replace("3.301", "3.302"))
    assert command(monkeypatch, "--check") == 1
    assert "is not what its results say" in capsys.readouterr().out


@pytest.mark.parametrize("mend", ["unlink", "junk", "other"])
def test_a_figure_that_is_not_of_its_runs_is_noticed(place, monkeypatch, capsys, mend):
    command(monkeypatch)
    figure = place / "img" / "small.png"
    if mend == "unlink":
        figure.unlink()
    elif mend == "junk":
        figure.write_text("no figure")
    else:
        monkeypatch.setattr(make_papers, "shown_runs", lambda runs: "others")
    assert command(monkeypatch, "--check") == 1
    assert "is not there, or of other runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<!-- end -->\n\n## Claims", "## Claims", "missing or misspelt"),
        ("<!-- made: small -->", "<!--made: small -->", "missing or misspelt"),
        ("<!-- made: claims -->\n<!-- end -->\n", "", "ends in its claims"),
    ],
)
def test_blocks_that_are_not_whole_are_refused(place, monkeypatch, old, new, says):
    page = place / "papers" / "paper.md"
    page.write_text(PAGE.replace(old, new))
    before = page.read_text()
    assert before != PAGE
    for option in ((), ("--check",)):
        with pytest.raises(SystemExit, match=says):
            command(monkeypatch, *option)
    assert page.read_text() == before


@pytest.mark.parametrize("text", ["", "[1, 2]", "{}", "<<<<<<< HEAD", '{"study": "small"}'])
def test_a_file_that_is_no_result_is_named(place, monkeypatch, text):
    path = min((place / "results" / "small").iterdir())
    path.write_text(text)
    for option in ("--check", "--status", "--run"):
        with pytest.raises(SystemExit, match=re.escape(path.name)):
            command(monkeypatch, option)


def test_a_run_that_ends_elsewhere_is_noticed(place, monkeypatch, capsys):
    command(monkeypatch)
    for path in (place / "results" / "small").iterdir():
        report = json.loads(path.read_text())
        report["curve"][0][2] += 0.01
        path.write_text(json.dumps(report))
    command(monkeypatch)
    assert command(monkeypatch, "--check") == 1
    assert "ends elsewhere" in capsys.readouterr().out


def test_a_page_takes_all_studies_of_a_script_or_one(monkeypatch):
    monkeypatch.setattr(make_papers, "SCRIPTS", {"one": ["toy_schedule"], "same": ["toy_schedule/toy-schedule"]})
    (one,), (same,) = make_papers.studies_of("one").items(), make_papers.studies_of("same").items()
    assert one == same
    assert make_papers.everything() == [one[0]]
    monkeypatch.setattr(make_papers, "SCRIPTS", {"none": ["toy_schedule/other"]})
    assert make_papers.studies_of("none") == {}


def test_status_says_what_is_missing(place, monkeypatch, capsys):
    command(monkeypatch, "--status")
    assert capsys.readouterr().out.splitlines()[-2].split() == ["paper", "small", "4", "50", "%", "0"]
    for path in sorted((place / "results" / "small").iterdir())[:3]:
        path.unlink()
    command(monkeypatch, "--status")
    assert capsys.readouterr().out.splitlines()[-2].split()[:3] == ["paper", "small", "1"]
    assert command(monkeypatch, "--run", "small") == 0
    assert len(results.read(place / "results" / "small")) == 4


def test_a_page_whose_runs_are_outstanding_says_so(place, monkeypatch):
    for path in (place / "results" / "small").iterdir():
        path.unlink()
    command(monkeypatch)
    text = (place / "papers" / "paper.md").read_text()
    assert "<!-- made: small -->\n\nNo runs yet.\n\n<!-- end -->" in text
    assert (place / "img" / "small.png").read_bytes().startswith(b"\x89PNG")
    assert command(monkeypatch, "--check") == 0


def test_runs_by_other_code_are_told_and_made_again(place, monkeypatch, capsys):
    folder = place / "results" / "small"
    for path in folder.iterdir():
        path.write_text(path.read_text().replace('"code": "', '"code": "other'))
    command(monkeypatch, "--status")
    assert capsys.readouterr().out.splitlines()[-2].split() == ["paper", "small", "4", "50", "%", "4", "0"]
    report = min(folder.iterdir())
    kept = report.read_text()
    report.write_text(kept.replace("3.", "4."))
    command(monkeypatch, "--again")
    assert "made again; they end elsewhere" in capsys.readouterr().out
    report.write_text(kept)
    command(monkeypatch, "--again", "small")
    assert "made again; the same" in capsys.readouterr().out
    command(monkeypatch, "--status")
    assert capsys.readouterr().out.splitlines()[-2].split() == ["paper", "small", "4", "50", "%", "0"]


def test_runs_that_no_row_asks_for_are_told(place, monkeypatch, capsys):
    path = min((place / "results" / "small").iterdir())
    (path.parent / "more.json").write_text(
        path.read_text().replace('"updates": 10', '"updates": 11').replace("[10, ", "[11, ")
    )
    command(monkeypatch, "--status")
    assert capsys.readouterr().out.splitlines()[-2].split() == ["paper", "small", "5", "50", "%", "1", "0"]


def test_a_block_or_a_study_that_nobody_makes_is_refused(place, monkeypatch):
    with pytest.raises(SystemExit, match="no study is called large; there are small"):
        command(monkeypatch, "--run", "large")
    page = place / "papers" / "paper.md"
    page.write_text(PAGE.replace("made: small", "made: large"))
    with pytest.raises(SystemExit, match="asks for 'large', which no study makes"):
        command(monkeypatch)


def test_a_claim_that_goes_on_is_told_with_what_it_goes_on_from():
    said = [Claim(words, "", "", known(True)) for words in ("a", "... b", "... c", "d", "... e")]
    assert [whole for whole, _ in make_papers.in_full(said)] == ["a", "a ... b", "a ... c", "d", "d ... e"]
