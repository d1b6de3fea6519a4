"""One architecture: found by any of its names, drawn, and set beside its rank."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from terminal_fixtures import SIZE, make_run, screen, write_run_benchmark, write_run_scores

from trainfree.config import parse_config
from trainfree.errors import ArchitectureError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.sources.delivery import SourceSettings
from trainfree.spaces import load_space
from trainfree.terminal.architectures import find_architecture
from trainfree.terminal.cell import SHORT_NAMES, cell_arrows, draw_cell
from trainfree.terminal.run import Run
from trainfree.terminal.show import rank_of, show_architecture
from trainfree.workflow.runs import ConfiguredRun

SPACE = load_space("nasbench201")
INDICES = st.integers(0, len(SPACE) - 1)


@given(INDICES)
def test_every_encoding_leads_to_the_same_architecture(index):
    digits, names = SPACE.digits(index), SPACE.operation_names(index)
    encodings = [
        str(index),
        f" {index} ",
        SPACE.to_string(index),
        ",".join(map(str, digits)),
        str(digits),
        str(list(digits)),
        ",".join(names),
        str(names),
        "naslib:" + ",".join(map(str, SPACE.to_naslib(index))),
        f"naslib:{SPACE.to_naslib(index)}",
    ]
    assert {find_architecture(SPACE, text) for text in encodings} == {index}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("15625", "expected 0 to 15624"),
        ("-1", "expected 0 to 15624"),
        ("conv", "in no known encoding"),
        ("1,2,3", "in no known encoding"),
        ("0,0,0,0,0,9", "codes from 0 to 4"),
        ("naslib:0,0,0,0,0", "expected 6"),
        ("naslib:a,b", "expected numbers"),
        ("official:x", "expected a number"),
        ("official:3", "there is none of nasbench201 yet"),
        ("|none~0|+|none~0|none~1|", "malformed"),
        ("|non~0|+|none~0|none~1|+|none~0|none~1|none~2|", "did you mean 'none'"),
    ],
)
def test_what_names_no_architecture_is_refused_with_the_reason(text, said):
    with pytest.raises(ArchitectureError, match=said):
        find_architecture(SPACE, text)


def test_a_cell_is_drawn_with_what_skips_a_node_below():
    codes = "nor_conv_3x3,avg_pool_3x3,nor_conv_1x1,skip_connect,nor_conv_3x3,none"
    assert draw_cell(cell_arrows(SPACE, find_architecture(SPACE, codes))) == [
        "(0)───conv 3×3────▶(1)───conv 1×1────▶(2)                (3)",
        "  │                  │                ▲                  ▲",
        "  ├───avg pool 3×3───┼────────────────┘                  │",
        "  │                  └─────────────conv 3×3──────────────┤",
        "  └─────────────────────────skip─────────────────────────┘",
    ]


def test_a_cell_without_operations_is_its_nodes():
    assert draw_cell(cell_arrows(SPACE, 0)) == ["(0)    (1)    (2)    (3)"]


@given(INDICES)
def test_every_operation_stands_in_the_drawing_once(index):
    names = SPACE.operation_names(index)
    drawn = "\n".join(draw_cell(cell_arrows(SPACE, index)))
    for name, short in SHORT_NAMES.items():
        assert drawn.count(short) == names.count(name)
    for node in range(4):
        assert drawn.count(f"({node})") == 1
    assert drawn.count("▶") == sum(names[edge] != "none" for edge in (0, 2, 5))
    assert drawn.count("▲") == (names[1] != "none") + (names[3] != "none" or names[4] != "none")


VALUES = st.lists(
    st.sampled_from([math.nan, -math.inf, 0.0, 1.0, 1.5, 7.0]), min_size=1, max_size=12
)


@given(VALUES, st.data())
def test_ranks_agree_with_sorting(values, data):
    place = data.draw(st.integers(0, len(values) - 1))
    known = sorted((value for value in values if not math.isnan(value)), reverse=True)
    expected = "–"
    if not math.isnan(values[place]):
        expected = f"{known.index(values[place]) + 1} of {len(known)}"
    assert rank_of(np.array(values), place) == expected


def test_everything_that_is_known_of_an_architecture_is_shown(tmp_path):
    run = make_run(tmp_path)
    accuracy = read_dataset(write_run_benchmark(run), "benchmark")["accuracy"]
    naswot = np.arange(SIZE) * 0.5
    naswot[:3] = -np.inf
    write_run_scores(run, {"naswot": naswot, "params": np.ones(SIZE)}, stand_in=1)
    shown, stream = screen()
    show_architecture("1,1,0,2,0,1", run, shown)
    text = stream.getvalue()
    index = find_architecture(load_space("nasbench201_mini"), "1,1,0,2,0,1")
    assert f"architecture {index} of nasbench201_mini, 0 to 728" in text
    assert "|skip_connect~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|none~1|skip_connect~2|" in text
    assert "(2)" in text
    assert "conv 1×1" in text
    mean = float(accuracy.sel(arch=index, dataset="cifar10", split="test", epochs=200).mean())
    line = next(line for line in text.splitlines() if "test, 200 epochs (cifar10)" in line)
    assert f"{mean:.2f}" in line
    column = accuracy.sel(dataset="cifar10", split="test", epochs=200).mean("seed").to_numpy()
    assert f"{1 + int((column > column[index]).sum())} of 729" in line
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert f"{729 - index} of 729" in rows["naswot"]
    assert "1 of 729" in rows["params"]
    assert "no network was trained" in text
    assert "stand-in images" in text


def test_cells_of_one_function_are_named_together(tmp_path):
    """By hand: one convolution, at once, behind a skip, or beside what comes from a zero."""
    run = make_run(tmp_path)
    lines = []
    for codes in ("0,0,0,2,0,0", "2,0,0,0,1,0", "0,0,0,2,0,1"):
        shown, stream = screen()
        show_architecture(codes, run, shown)
        said = (line for line in stream.getvalue().splitlines() if line.startswith("one of "))
        lines += said
    assert len(lines) == 3
    assert len(set(lines)) == 1
    assert {"18", "19"} <= set(lines[0].replace(",", " ").split())


def test_a_cell_without_a_path_is_called_so(tmp_path):
    shown, stream = screen()
    show_architecture("0", make_run(tmp_path), shown)
    assert "its output does not depend on its input" in stream.getvalue()


def test_what_is_not_there_yet_is_named(tmp_path):
    run = make_run(tmp_path)
    shown, stream = screen()
    show_architecture("100", run, shown)
    assert f"{run.benchmark}: no such benchmark file" in stream.getvalue()
    assert "not scored yet" in stream.getvalue()


def test_scores_of_a_shard_have_no_rank_yet(tmp_path):
    run = make_run(tmp_path)
    values = np.arange(243) * 1.0
    write_run_scores(run, {"naswot": values, "params": values}, run.shards("generated")[0])
    shown, stream = screen()
    show_architecture("100", run, shown)
    row = next(line for line in stream.getvalue().splitlines() if line.startswith("naswot"))
    assert row.split()[1:4] == ["100", "–", "ok"]
    assert "ranks need the merged scores" in stream.getvalue()


def test_what_a_sample_has_not_is_said_to_be_left_out(tmp_path):
    run = make_run(tmp_path)
    values = np.arange(50) * 1.0
    write_run_scores(run, {"naswot": values, "params": values})
    for index, said in ((49, "1 of 50"), (100, "not among the 50 architectures")):
        shown, stream = screen()
        show_architecture(str(index), run, shown)
        assert said in stream.getvalue()


def test_shards_are_looked_into_whatever_their_places_are(tmp_path):
    run = make_run(tmp_path)
    values = np.arange(243) * 1.0
    write_run_scores(run, {"naswot": values, "params": values}, run.shards("generated")[1])
    shown, stream = screen()
    show_architecture("100", run, shown)
    assert "ranks need the merged scores" in stream.getvalue()


MODULES = """
from torch import nn
from trainfree.spaces.choices import ChoiceSpace

class Two(ChoiceSpace):
    name = "two"
    choices = {"act": ("relu", "gelu")}

    def module(self, index, classes, image_size):
        if index:
            raise ValueError("no")
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, classes))

SPACES = {"two": Two}
"""


def test_an_architecture_of_a_space_of_modules_is_printed(tmp_path):
    file = tmp_path / "two.py"
    file.write_text(MODULES)
    searches = {"random": {"algorithm": "random", "budgets": [1]}}
    config = parse_config(
        {
            "space": "two",
            "datasets": ["generated"],
            "spaces": {"extra": [str(file)]},
            "search": {"searches": searches},
        }
    )
    run = Run(ConfiguredRun(config), (Path("a.yaml"),), tmp_path, SourceSettings())
    said = []
    for text in ("act=relu", "1"):
        shown, stream = screen()
        show_architecture(text, run, shown)
        said.append(stream.getvalue())
    assert "architecture 0 of two, 0 to 1" in said[0]
    lines = said[0].splitlines()
    assert "  (1): Linear(in_features=192, out_features=10, bias=True)" in lines
    assert "Cell" not in lines
    assert "architecture 1 (act=gelu)': module raised ValueError: no" in said[1]
    shown, _ = screen()
    for text in ("2", "act=silu", "|none~0|"):
        with pytest.raises(ArchitectureError, match="two"):
            show_architecture(text, run, shown)


def test_what_could_not_be_built_has_no_counts(tmp_path):
    run = make_run(tmp_path)
    path = write_run_scores(run)
    data = read_dataset(path, "scores")
    data["params"][3] = -1
    write_dataset(data, path, "scores")
    for index, found in (("3", True), ("4", False)):
        shown, stream = screen()
        show_architecture(index, run, shown)
        assert ("it could not be built, so nothing of it is counted" in stream.getvalue()) == found
