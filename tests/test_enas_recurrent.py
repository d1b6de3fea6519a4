"""Recurrent cells of ENAS: the encoding, the network by a plain oracle, searches and trainings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from trainfree.analysis.declaration import Inputs
from trainfree.analysis.registry import make_table
from trainfree.config import Config
from trainfree.errors import ArchitectureError, ConfigError, DataFileError
from trainfree.files.storage import read_dataset
from trainfree.randomness import stream
from trainfree.report.figures.recurrent.animation import animate_enas
from trainfree.report.figures.recurrent.graph import graph_of, places
from trainfree.report.figures.recurrent.search import plot_enas
from trainfree.weight_sharing.controller import Controller
from trainfree.weight_sharing.recurrent.cell import (
    ACTIVATIONS,
    Cell,
    every_edge,
    kinds,
    options,
    random_cell,
)
from trainfree.weight_sharing.recurrent.derive import random_cells
from trainfree.weight_sharing.recurrent.jobs import search_cell, train_cell
from trainfree.weight_sharing.recurrent.learner import EnasLearner
from trainfree.weight_sharing.recurrent.ngrams import unigram_perplexity
from trainfree.weight_sharing.recurrent.other_spaces.nasbench_nlp import read_recipe, reasons
from trainfree.weight_sharing.recurrent.presets import PRESETS
from trainfree.weight_sharing.recurrent.reading import even, perplexity, whole
from trainfree.weight_sharing.recurrent.settings import (
    ControllerSettings,
    DescentSettings,
    NetworkSettings,
    RetrainSettings,
    SearchSettings,
)
from trainfree.weight_sharing.recurrent.shared_model import SharedModel
from trainfree.weight_sharing.recurrent.text import Text, TextError, load_text

pytestmark = pytest.mark.usefixtures("one_thread")

PUBLISHED = "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1"
"""The cell that the ENAS authors found on Penn Treebank, in their numbers."""
NETWORK = NetworkSettings(embedding=6, hidden=6, init_range=0.3, dropout_words=0.1)
SEARCH = SearchSettings(
    text="topics",
    most_words=60,
    least_count=2,
    nodes=3,
    network=NETWORK,
    descent=DescentSettings(batch=20, steps=10, learning_rate=5.0),
    controller=ControllerSettings(steps=2, hidden=8),
    epochs=3,
    weight_steps=4,
    samples=2,
    candidates=3,
    randoms=2,
    seed=1,
)
RETRAIN = RetrainSettings(
    text="topics",
    most_words=60,
    least_count=2,
    network=NETWORK,
    descent=DescentSettings(batch=64, steps=35, learning_rate=5.0),
    epochs=2,
    seed=1,
)


@pytest.fixture(scope="module")
def text() -> Text:
    found = load_text("topics", most_words=60, least_count=2)
    return found._replace(train=found.train[:4000], valid=found.valid[:900])


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    nodes = draw(st.integers(1, 12))
    return Cell.from_choices([draw(st.integers(0, count - 1)) for count in options(nodes)])


@given(cells())
def test_cells_are_read_as_they_are_written(cell: Cell) -> None:
    assert Cell.from_text(str(cell)) == cell
    assert Cell.from_choices(cell.choices) == cell
    assert Cell.from_text(" ".join(map(str, cell.choices))) == cell
    assert cell.leaves[-1] == len(cell.activations) - 1
    graph = graph_of(str(cell))
    assert (graph.activations, graph.previous[1:]) == (cell.activations, cell.previous)
    assert graph.leaves == cell.leaves
    assert len(set(places(graph))) == len(cell.activations)


def test_the_published_cell() -> None:
    cell = Cell.from_text(PUBLISHED)
    assert str(cell) == (
        "tanh|tanh~0|relu~1|relu~2|tanh~2|tanh~2|relu~5|tanh~1|relu~6|relu~8|relu~8|relu~8"
    )
    assert cell.leaves == [3, 4, 7, 9, 10, 11]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("tanh|relu~1", "node 1 fed by one of 0 to 0, found 1"),
        ("tanh|rely~0", "did you mean 'relu'"),
        ("tanh|relu", "nodes such as 'relu~0'"),
        ("tanh|relu~x", "nodes such as 'relu~0'"),
        ("", "expected activations among"),
        ("0 0", "an odd number of numbers, found 2"),
        ("0 0 9", "activations from 0 to 3"),
        ("0 1 0", "fed by one of 0 to 0"),
    ],
)
def test_what_is_no_cell_is_refused(wrong: str, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        Cell.from_text(wrong)


def test_the_controller_and_uniform_draws_reach_every_cell() -> None:
    controller = Controller(options(3), kinds(3), hidden=8)
    drawn = controller.sample(4000, torch.Generator().manual_seed(0)).choices
    assert len({tuple(row) for row in drawn.tolist()}) == 4**3 * 2
    uniform = [random_cell(3, stream(0, "test", number)) for number in range(2000)]
    counts = np.unique([str(cell) for cell in uniform], return_counts=True)[1]
    assert len(counts) == 4**3 * 2
    assert counts.max() < 40
    assert random_cells(SEARCH) == random_cells(replace(SEARCH, epochs=9))


def oracle(model: SharedModel, words: np.ndarray, cell: Cell) -> np.ndarray:
    """Return logits (steps, batch, vocabulary), one number after the other as the paper has it."""
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}
    table = weights["words"]
    hidden = model.settings.hidden

    def sigmoid(value: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-value))

    functions = {
        "tanh": np.tanh,
        "relu": lambda value: np.maximum(value, 0.0),
        "identity": lambda value: value,
        "sigmoid": sigmoid,
    }
    logits = np.empty((*words.shape, len(table)))
    for column in range(words.shape[1]):
        state = np.zeros(hidden)
        for step in range(len(words)):
            word = table[words[step, column]]
            of_word, bias = weights["of_word"], weights["of_word_bias"]
            gate = sigmoid(
                of_word[:hidden] @ word + weights["of_state"][:hidden] @ state + bias[:hidden]
            )
            new = of_word[hidden:] @ word + weights["of_state"][hidden:] @ state + bias[hidden:]
            nodes = [gate * functions[cell.activations[0]](new) + (1 - gate) * state]
            for node, before in enumerate(cell.previous, 1):
                between, source = weights[f"between.{before}_{node}"], nodes[before]
                gate = sigmoid(between[:hidden] @ source)
                new = functions[cell.activations[node]](between[hidden:] @ source)
                nodes.append(gate * new + (1 - gate) * source)
            state = sum(nodes[leaf] for leaf in cell.leaves) / len(cell.leaves)
            length = np.sqrt((state**2).sum())
            if length > model.settings.longest_state:
                state = state * model.settings.longest_state / length
            softmax = weights.get("softmax", table)
            logits[step, column] = softmax @ state + weights["softmax_bias"]
    return logits


@pytest.mark.parametrize("longest", [25.0, 0.05])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("text_of_cell", ["sigmoid", "tanh|relu~0|identity~0|sigmoid~1", PUBLISHED])
def test_the_network_is_the_papers(text_of_cell: str, tied: bool, longest: float) -> None:
    cell = Cell.from_text(text_of_cell)
    settings = replace(NETWORK, tied=tied, longest_state=longest, init_range=0.8)
    model = SharedModel(settings, 9, every_edge(len(cell.activations)), seed=3).double()
    torch.nn.init.uniform_(model.softmax_bias, generator=torch.Generator().manual_seed(1))
    words = torch.randint(9, (7, 3), generator=torch.Generator().manual_seed(0))
    passed = model(words, cell, model.begin(3))
    np.testing.assert_allclose(
        passed.logits.detach().numpy(), oracle(model, words.numpy(), cell), rtol=1e-6, atol=1e-9
    )
    assert (float(passed.clipped.detach()) > 0) == (longest < 1)
    # Alone, with the same weights, the cell gives the same.
    alone = SharedModel(settings, 9, cell.edges, seed=0).double()
    alone.load_state_dict(model.state_dict(), strict=False)
    torch.testing.assert_close(alone(words, cell, alone.begin(3)).logits, passed.logits)


def test_what_is_dropped_out_is_the_same_at_all_steps_and_right_in_the_mean() -> None:
    rates = {"dropout_words": 0.0, "dropout_weights": 0.0, "dropout_inputs": 0.0}
    settings = replace(NETWORK, **rates, dropout_outputs=0.5, hidden=40, embedding=40)
    model = SharedModel(settings, 5, [], seed=0)
    cell, words = Cell.from_text("tanh"), torch.randint(5, (3, 4))
    plain = model(words, cell, model.begin(4)).logits
    generator = torch.Generator().manual_seed(0)
    drawn = [model(words, cell, model.begin(4), generator).logits.detach() for _ in range(500)]
    torch.testing.assert_close(torch.stack(drawn).mean(0), plain.detach(), atol=0.15, rtol=0)
    again = torch.Generator().manual_seed(0)
    assert torch.equal(model(words, cell, model.begin(4), again).logits, drawn[0])


def test_an_untrained_network_knows_nothing(text: Text) -> None:
    settings = replace(NETWORK, init_range=0.025)
    model = SharedModel(settings, len(text.vocabulary), every_edge(3), seed=0)
    found = perplexity(model, Cell.from_text("tanh|relu~0|tanh~1"), whole(text.valid, 7, "cpu"))
    assert found == pytest.approx(len(text.vocabulary), rel=0.01)


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_every_word_but_the_first_is_a_target_once(batch: int) -> None:
    words = np.arange(100, 123)
    columns = whole(words, batch, "cpu")
    inputs, targets = columns.words.T.flatten(), columns.targets.T.flatten()
    kept = targets >= 0
    assert inputs[kept].tolist() == words[:-1].tolist()
    assert targets[kept].tolist() == words[1:].tolist()
    short = even(words, batch, "cpu", "mine")
    assert torch.equal(short.words[1:], short.targets[:-1])
    with pytest.raises(TextError, match="more words than are read at once"):
        even(words[:batch], batch, "cpu", "mine")


def test_learning_lowers_perplexity_below_that_of_single_words() -> None:
    """On a text of five words in turn, of which a network that reads the last one knows all."""
    turns = np.array([2, 3, 4, 5, 1])
    vocabulary = ("<unk>", "<eos>", "a", "b", "c", "d")
    text = Text("turns", "plain", vocabulary, np.tile(turns, 400), *[np.tile(turns, 40)] * 2, "")
    rates = {f"dropout_{name}": 0.0 for name in ("words", "inputs", "weights", "outputs")}
    settings = replace(
        SEARCH,
        network=replace(NETWORK, embedding=16, hidden=16, **rates),
        descent=replace(SEARCH.descent, learning_rate=2.0),
        weight_steps=20,
        controller=replace(SEARCH.controller, steps=1),
    )
    learner = EnasLearner(settings, text)
    rows = [learner.epoch(number) for number in range(4)]
    found = [float(np.mean(row["valid_perplexity"])) for row in rows]
    assert rows[3]["train_perplexity"] < rows[0]["train_perplexity"]
    assert found[3] < 0.5 * unigram_perplexity(text.train, text.valid, len(text.vocabulary))
    assert len({row["train_perplexity"] for row in rows}) == 4


def test_the_controller_alone_learns_from_rewards(text: Text) -> None:
    learner = EnasLearner(SEARCH, text)
    shared = {name: value.clone() for name, value in learner.model.state_dict().items()}
    before = [weight.clone() for weight in learner.controller.parameters()]
    record = learner._train_controller(0)
    assert all(
        torch.equal(value, shared[name]) for name, value in learner.model.state_dict().items()
    )
    moved = [
        not torch.equal(a, b) for a, b in zip(before, learner.controller.parameters(), strict=True)
    ]
    assert any(moved)
    assert record["controller_reward"] == pytest.approx(80 / len(text.vocabulary), rel=0.2)


def outcome(folder: Path, settings: SearchSettings = SEARCH) -> xr.Dataset:
    search_cell(settings, None, folder / "search.h5", "cpu", 1)
    return read_dataset(folder / "search.h5", "enas")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search and its cells, trained."""
    folder = tmp_path_factory.mktemp("enas")
    outcome(folder)
    for place in ("derived", "random-0", "random-1"):
        train_cell(RETRAIN, folder / "search.h5", place, None, folder / f"{place}.h5", "cpu", 1)
    return folder


def test_a_search_that_is_killed_goes_on_with_the_same_bits(searched: Path, tmp_path: Path) -> None:
    place = tmp_path / "search.h5"
    command = [
        *(sys.executable, "-m", "trainfree", "enas-search", "--device", "cpu"),
        *("--setting", SEARCH.json, "--output", str(place)),
    ]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ})
    checkpoint = tmp_path / "search.h5.checkpoint"
    end = time.monotonic() + 120
    while not checkpoint.exists() and running.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert checkpoint.exists()
    assert not place.exists()
    again, whole_one = outcome(tmp_path), read_dataset(searched / "search.h5", "enas")
    for name in set(again.data_vars) - {"seconds", "candidate_seconds"}:
        assert again[name].to_numpy().tolist() == whole_one[name].to_numpy().tolist(), name
    assert not checkpoint.exists()


def test_a_checkpoint_of_another_setting_is_refused(tmp_path: Path) -> None:
    from trainfree.weight_sharing.checkpoint import write_state

    write_state({"rows": [], "learner": {}}, tmp_path / "search.h5.checkpoint", "another")
    with pytest.raises(DataFileError, match="checkpoint of another setting"):
        outcome(tmp_path)


def test_cells_that_are_trained_alone(searched: Path, tmp_path: Path) -> None:
    search = read_dataset(searched / "search.h5", "enas")
    derived = read_dataset(searched / "derived.h5", "enas_training")
    assert derived["cell"].item() == search["candidate_cell"].to_numpy()[int(search["chosen"])]
    assert float(search["candidate_perplexity"].min()) == float(
        search["candidate_perplexity"][int(search["chosen"])]
    )
    best = int(derived["valid_perplexity"].to_numpy().argmin()) + 1
    assert int(derived["best_epoch"]) == best
    for wrong in ("random-2", "random--1", "random-x", "best"):
        with pytest.raises(ConfigError, match="random-0 to random-1"):
            train_cell(RETRAIN, searched / "search.h5", wrong, None, tmp_path / "x.h5", "cpu", 1)
    other = replace(RETRAIN, most_words=50)
    with pytest.raises(TextError, match="made with another vocabulary"):
        train_cell(other, searched / "search.h5", "derived", None, tmp_path / "x.h5", "cpu", 1)


def test_the_table_says_which_is_better(searched: Path, tmp_path: Path) -> None:
    files = [searched / f"{place}.h5" for place in ("derived", "random-0", "random-1")]
    make_table("enas", Inputs(enas=searched / "search.h5", enas_cells=tuple(files)), tmp_path)
    told = (tmp_path / "enas.md").read_text()
    test = [float(read_dataset(path, "enas_training")["test_perplexity"]) for path in files]
    says = "beats the mean" if test[0] < np.mean(test[1:]) else "does not beat the mean"
    assert says in told
    assert f"{np.mean(test[1:]):.2f}" in told
    rows = (tmp_path / "enas.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows[1:3]] == ["unigram", "bigram"]
    assert len(rows) == 7
    with pytest.raises(DataFileError, match="its derived cell and a random one"):
        make_table("enas", Inputs(enas=searched / "search.h5", enas_cells=(files[1],)), tmp_path)


def test_figure_and_animation_have_the_same_bytes_again(searched: Path, tmp_path: Path) -> None:
    from PIL import Image

    files = [searched / f"{place}.h5" for place in ("derived", "random-0", "random-1")]
    for name in ("one", "two"):
        plot_enas(searched / "search.h5", files, tmp_path / name)
        animate_enas(searched / "search.h5", tmp_path / f"{name}.gif")
    for suffix in ("svg", "png", "gif"):
        one, two = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("one", "two"))
        assert one == two, suffix
    with Image.open(tmp_path / "one.gif") as animation:
        assert animation.n_frames == SEARCH.epochs  # type: ignore[attr-defined]
        assert min(animation.size) >= 300


def recipe(**nodes: tuple[str, list[str]]) -> str:
    return json.dumps({name: {"op": op, "input": of} for name, (op, of) in nodes.items()})


FIRST = ("linear", ["x", "h_prev_0"])
NLP = {
    "tanh": recipe(a=FIRST, h_new_0=("activation_tanh", ["a"])),
    "tanh|sigmoid~0|tanh~0": recipe(
        a=FIRST,
        b=("activation_tanh", ["a"]),
        c=("linear", ["b"]),
        d=("activation_sigm", ["c"]),
        e=("linear", ["b"]),
        f=("activation_tanh", ["e"]),
        h_new_0=("elementwise_sum", ["d", "f"]),
    ),
    "leaky ReLU": recipe(a=FIRST, h_new_0=("activation_leaky_relu", ["a"])),
    "more than one state": recipe(
        a=FIRST, h_new_0=("activation_tanh", ["a"]), h_new_1=("activation_tanh", ["a"])
    ),
    "a linear layer of several nodes, or of the word behind the first node": recipe(
        a=FIRST,
        b=("activation_tanh", ["a"]),
        c=("linear", ["b", "x"]),
        h_new_0=("activation_tanh", ["c"]),
    ),
    "nodes in a circle": recipe(a=("linear", ["h_new_0"]), h_new_0=("activation_tanh", ["a"])),
    "blend of 2 inputs": recipe(h_new_0=("blend", ["x", "x"])),
}


@pytest.mark.parametrize("expected", NLP)
def test_recipes_of_nasbench_nlp_are_read_as_far_as_they_fit(expected: str) -> None:
    reading = read_recipe(NLP[expected])
    assert expected in (str(reading.cell), reading.why)
    assert not reading.gated


def test_a_gated_recipe_is_enas_own_node() -> None:
    gated = recipe(
        g=FIRST,
        c=("activation_sigm", ["g"]),
        n=FIRST,
        f=("activation_tanh", ["n"]),
        h_new_0=("blend", ["c", "f", "h_prev_0"]),
    )
    reading = read_recipe(gated)
    assert (str(reading.cell), reading.gated) == ("tanh", True)
    counts = reasons([gated, NLP["tanh"], NLP["leaky ReLU"], "no", "{}"])
    assert counts == {
        "fits": 1,
        "fits but for the gates": 1,
        "leaky ReLU": 1,
        "no recipe of a cell": 2,
    }


def test_presets_are_the_published_values() -> None:
    """ENAS-pytorch's command lines for Penn Treebank and WikiText, and its defaults."""
    paper = PRESETS["paper"]
    assert (paper.nodes, paper.epochs, paper.weight_steps, paper.candidates) == (12, 150, 400, 100)
    chosen, descent = paper.controller, paper.descent
    assert (chosen.learning_rate, chosen.entropy_weight, chosen.steps) == (3.5e-4, 1e-4, 2000)
    assert (chosen.hidden, chosen.temperature, chosen.tanh_constant) == (100, 5.0, 2.5)
    assert (chosen.baseline_decay, chosen.reward) == (0.95, 80.0)
    assert (descent.learning_rate, descent.clip, descent.batch, descent.steps) == (
        20.0,
        0.25,
        64,
        35,
    )
    assert descent.rate(14) == 20.0
    assert descent.rate(15) == pytest.approx(19.2)


def test_the_section_of_the_configuration() -> None:
    section = Config.model_validate({"enas": {"nodes": 4, "hidden": 16, "epochs": 2}}).enas
    settings = section.search_settings(7)
    assert (settings.nodes, settings.network.embedding, settings.network.hidden) == (4, 16, 16)
    assert (settings.seed, settings.epochs) == (7, 2)
    assert SearchSettings.from_json(settings.json) == settings
    assert RetrainSettings.from_json(section.retrain_settings(7).json).network.hidden != 16
    for wrong in ({"text": "ptb"}, {"path": "words.txt"}):
        with pytest.raises(ConfigError, match=r"enas\.path"):
            Config.model_validate({"enas": wrong})
    files = Config.model_validate({"enas": {"text": "ptb", "path": "mine"}}).enas.text_files
    assert [Path(file).name for file in files] == ["ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"]
    assert set(ACTIVATIONS) == {"tanh", "relu", "identity", "sigmoid"}
