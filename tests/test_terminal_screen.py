"""What reaches the terminal: aligned, in colour where it is one, and never a foreign command."""

from __future__ import annotations

import io
import logging
from itertools import pairwise

import pytest
from terminal_fixtures import screen

from trainfree import progress
from trainfree.progress import duration, track
from trainfree.terminal.screen import Screen, clean


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("two\nlines\tand more", "two lines and more"),
        ("\u202eright to left", r"\u202eright to left"),
        ("\udcff", r"\udcff"),
        ("a\u2028b", "a b"),
        ("[bold]not markup[/]", "[bold]not markup[/]"),
        ("−∞ ± café", "−∞ ± café"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text, shown):
    assert clean(text) == shown


def test_a_pipe_gets_aligned_text_without_colours():
    shown, stream = screen()
    shown.table(("name", ">count", "state"), [("a", 5, "done"), ("long name", 1000, "failed")])
    assert stream.getvalue().splitlines() == [
        "name       count  state",
        "a              5  done",
        "long name   1000  failed",
    ]


def test_an_empty_table_is_its_titles():
    shown, stream = screen()
    shown.table(("name", ">count"), [])
    assert stream.getvalue() == "name  count\n"


def test_a_terminal_gets_colours_by_state_and_no_markup_of_the_text(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    shown = Screen(stream)
    shown.table(("name", "state"), [("[red]x[/red] \x1b[2J", "1 failed, 2 done"), ("y", "note")])
    written = stream.getvalue()
    assert "[red]x[/red] \\x1b[2J" in written
    assert "\x1b[2J" not in written
    assert "\x1b[1;31m1 failed, 2 done" in written


def test_a_stream_that_cannot_take_our_letters_gets_others():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    shown = Screen(stream)
    shown.drawing(["(0)──conv 3×3──▶(1)"])
    shown.table(("what",), [("1.0 → −∞",), ("café",)])
    stream.flush()
    assert raw.getvalue().decode("ascii").splitlines() == [
        "(0)--conv 3x3-->(1)",
        "what",
        "1.0 -> -inf",
        "caf?",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (99.4, "99 s"), (99.6, "2 min"), (3540, "59 min"), (7500, "2 h 05 min")],
)
def test_spans_of_time_are_for_readers(seconds, text):
    assert duration(seconds) == text


def test_a_log_gets_lines_now_and_then_rarer_the_longer_it_takes(monkeypatch, caplog):
    """A thousand items of ten seconds each, by a clock that the test moves."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress.sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO):
        for _ in track(range(1000), "a job"):
            now[0] += 10.0
    lines = caplog.messages
    assert lines[0] == "a job: 2 of 1000, about 2 h 46 min left"
    assert lines[-1] == "a job: 1000 of 1000 in 2 h 47 min"
    assert 20 < len(lines) < 80
    places = [int(line.split()[2]) for line in lines]
    steps = [after - before for before, after in pairwise(places)]
    assert steps[-2] > 10 * steps[0]


def test_a_short_job_writes_one_line(caplog):
    with caplog.at_level(logging.INFO):
        assert list(track("abc", "letters")) == ["a", "b", "c"]
    assert caplog.messages == ["letters: 3 of 3 in 0 s"]
