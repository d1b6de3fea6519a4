"""The notebook runs from top to bottom, and what it shows is what it computes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parent.parent / "examples" / "score_your_model.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> nbformat.NotebookNode:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = str(tmp_path_factory.mktemp("notebook"))
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}})
    return client.execute()  # raises where a cell does


def shown(cell: Any) -> str:
    """What a cell shows as text, without numbers: these differ in their last digits."""
    texts = [output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", [])]
    without = re.sub(r"-?\b\d+(\.\d*)?(e[-+]\d+)?\b", "", " ".join(texts))
    return " ".join(without.split())


def test_the_notebook_runs_and_shows_what_is_stored(executed):
    stored = nbformat.read(NOTEBOOK, as_version=4)
    assert [shown(cell) for cell in stored.cells] == [shown(cell) for cell in executed.cells]
    assert any("undefined" in shown(cell) for cell in executed.cells)
    assert not any("error" in shown(cell) for cell in executed.cells)


def test_the_stored_notebook_tells_nothing_of_the_machine_it_ran_on():
    text = NOTEBOOK.read_text()
    assert "/" + "home" not in text
    assert "/" + "work" not in text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert kinds == {"execute_result"}  # nothing written to the screen, no warning
