"""The table of figures and its chart can be made from results, and the repository's are current."""

import re

import pytest

from tests.performance import chart, measuring, table

FACTS = {"usable_cores": 2, "processor": "P", "date": "2026-01-02", "commit": "abc", "load_average_before": 0.5}
PART = {
    "command": "bench.py x",
    "machine": FACTS,
    "rows": [measuring.row("speed", 2, "2 times", ("at least", 1.5)), measuring.row("memory", 7, "7 MiB")],
}


def test_the_table_has_a_line_for_each_figure_with_goal_commit_load_and_command():
    made = table.table({"a": PART, "b": PART | {"rows": []}})
    assert "| speed | 2 times | at least 1.5: met | abc | idle | `bench.py x` |" in made
    assert "| memory | 7 MiB |  | abc | idle | `bench.py x` |" in made
    assert made.endswith("on 2 cores of P, 2026-01-02.")


def test_the_table_says_which_measures_had_to_share_the_machine():
    shared = PART | {"machine": FACTS | {"load_average_before": 1.5, "date": "2026-01-04"}}
    made = table.table({"a": PART, "b": shared})
    assert "| abc | busy |" in made and made.endswith("on 2 cores of P, 2026-01-02 to 2026-01-04.")
    assert "load average 1.5 on 2 cores" in measuring.busy(shared["machine"])


def test_a_missed_goal_is_shown_as_missed():
    assert "at most 1: missed" in table.table({"a": PART | {"rows": [measuring.row("x", 2, "y", ("at most", 1))]}})


TRAINING = PART | {
    "command": ".venv/bin/python3 -m tests.performance.bench training",
    "rows": [measuring.row("M, batch 8, 2 ranks, beside PyTorch DDP over gloo", 1.5, "30 and 20 images/s: 1.50 times")],
}


def written(tmp_path, text, results):
    """The paths and options of a table that is written below tmp_path."""
    document, drawing = tmp_path / "performance.md", tmp_path / "chart.svg"
    document.write_text(text)
    measuring.record(tmp_path / "results.json", results)
    paths = {"--results": tmp_path / "results.json", "--document": document, "--drawing": drawing}
    return document, drawing, [word for option, path in paths.items() for word in (option, str(path))]


def test_the_table_takes_the_place_of_the_earlier_one_and_touches_nothing_else(tmp_path):
    text = f"before\n\n{table.BEGIN}\nold\n{table.END}\nbehind\n"
    document, drawing, options = written(tmp_path, text, {"a": TRAINING})
    for _ in range(2):
        assert table.main(["--write", *options]) == 0
    made = table.table({"a": TRAINING})
    assert document.read_text() == f"before\n\n{table.BEGIN}\n{made}\n{table.END}\nbehind\n"
    assert drawing.read_text() == chart.drawn(made)
    drawing.unlink()
    assert table.main(["--chart", *options]) == 0 and drawing.read_text() == chart.drawn(made)


@pytest.mark.parametrize(
    "text, results, message",
    [
        (f"{table.BEGIN}\n{table.END}\n", {}, "make bench"),
        ("no marks\n", {"a": TRAINING}, table.BEGIN),
        (f"{table.BEGIN}\n{table.END}\n", {"a": PART}, "no figure beside PyTorch DDP"),
    ],
)
def test_without_measurements_or_marks_the_document_stays_as_it_is(tmp_path, capsys, text, results, message):
    document, drawing, options = written(tmp_path, text, results)
    assert table.main(["--write", *options]) == 1 and message in capsys.readouterr().err
    assert document.read_text() == text and not drawing.exists()


def test_the_chart_has_two_bars_for_each_model_as_long_as_their_speeds():
    made = chart.drawn(table.table({"a": TRAINING}))
    assert re.findall(r'class="(\w+)" x="\d+" y="\d+" width="(\d+)"', made) == [("ours", "300"), ("theirs", "200")]
    assert "M</text>" in made and "lockstep: 30 images/s, 1.5 times" in made and "PyTorch DDP: 20 images/s" in made


def test_a_figure_that_cannot_be_drawn_is_named():
    with pytest.raises(measuring.Failure, match="cannot draw `fast`"):
        chart.drawn("| M, batch 8, 2 ranks, beside PyTorch DDP over gloo | fast |")


def test_the_chart_of_the_repository_is_drawn_from_its_table():
    stale = "docs/training_speed.svg is not current: run `python -m tests.performance.table --chart` and commit it"
    assert table.CHART.read_text() == chart.drawn(table.committed_table()), stale


def test_each_figure_of_the_readme_stands_in_the_table():
    shown = re.findall(r"^\|[^|]+\| ([^|]+) \| `bench ([^`]+)` \|$", (measuring.ROOT / "README.md").read_text(), re.M)
    assert len(shown) == 7
    for figure, command in shown:
        assert re.search(rf"\| {re.escape(figure)} \|.*\| `bench {re.escape(command)}` \|", table.committed_table())
