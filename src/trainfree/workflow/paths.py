"""Where the files of a run are.

All paths are texts as Snakemake takes them, seen from the folder in which the run works. Names in
braces are the rules' wildcards: :class:`Paths` gives patterns, ``str.format`` fills them in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainfree.analysis.origins import SUFFIXES
from trainfree.spaces.listed import MEMBERS_FILE

IMAGES = "data/images/{dataset}.h5"
"""Prepared images."""
ACCURACIES = MEMBERS_FILE
"""Accuracies of trained networks."""
HARDWARE = "data/benchmarks/hardware-{space}.h5"
"""What networks cost on hardware."""
PUBLISHED_SCORES = "data/published_scores/{published}.csv.gz"
"""Proxy scores that others published."""
FIGURE_SUFFIXES = (".svg", ".png", ".json")


@dataclass(frozen=True)
class Paths:
    """Where a configuration's own files are, apart from what other configurations make.

    Parameters
    ----------
    run
        The configuration's ``run``.
    """

    run: str

    @property
    def results(self) -> str:
        """The folder of what the configuration makes."""
        return f"results/{self.run}"

    @property
    def logs(self) -> str:
        """The folder of its jobs' logs."""
        return f"logs/{self.run}"

    def result(self, place: str) -> str:
        """Return a path in the folder of results."""
        return f"{self.results}/{place}"

    def logged(self, place: str) -> str:
        """Return a path in the folder of logs."""
        return f"{self.logs}/{place}"

    def table(self, name: str) -> str:
        """Return the path of a table, without suffix where ``name`` has none."""
        return self.result(f"tables/{name}")

    def figure(self, name: str) -> str:
        """Return the path of a figure, without suffix where ``name`` has none."""
        return self.result(f"figures/{name}")

    def table_files(self, *names: str) -> list[str]:
        """Return all files of tables, table by table."""
        return _with_suffixes([self.table(name) for name in names], SUFFIXES)

    def figure_files(self, *names: str) -> list[str]:
        """Return all files of figures, figure by figure."""
        return _with_suffixes([self.figure(name) for name in names], FIGURE_SUFFIXES)

    @property
    def shard(self) -> str:
        """Scores of a part of the architectures."""
        return self.result("scores/{space}/{dataset}/{setting}/shards/{shard}.h5")

    @property
    def scores(self) -> str:
        """Scores of all architectures."""
        return self.result("scores/{space}/{dataset}/{setting}.h5")

    @property
    def search(self) -> str:
        """The runs of a search."""
        return self.result("search/{space}/{dataset}/{search}.h5")

    @property
    def fronts(self) -> str:
        """The searches under one cost."""
        return self.result("fronts/{space}/{dataset}/{cost}.h5")

    @property
    def weight_sharing(self) -> str:
        """One run of a method of weight sharing."""
        return self.result("weight_sharing/{space}/{dataset}/{method}/{repeat}.h5")

    @property
    def draws(self) -> str:
        """Scores of the same architectures under several draws of images and weights."""
        return self.result("draws/{space}/{dataset}/{drawn}/{shard}.h5")

    @property
    def choice(self) -> str:
        """The architectures that a study is of."""
        return self.result("{study}/{space}/{dataset}/architectures.h5")

    @property
    def kernels(self) -> str:
        """The kernels that are drawn."""
        return self.result("kernels/{space}/{dataset}/kernels.h5")

    @property
    def ablation(self) -> str:
        """Scores under changed images, weights and batch sizes."""
        return self.result("ablation/{space}/{dataset}.h5")

    @property
    def training(self) -> str:
        """Scores of one architecture after every epoch of training."""
        return self.result("training/{space}/{dataset}/shards/{place}.h5")

    @property
    def features(self) -> str:
        """GRAF of the architectures that are scored."""
        return self.result("learned/{space}/{dataset}/features.h5")

    @property
    def learned(self) -> str:
        """What forests learn of one kind of quantity."""
        return self.result("learned/{space}/{dataset}/{kind}.h5")

    @property
    def field_features(self) -> str:
        """GRAF of all architectures, for the tables of proxies."""
        return self.result("learned/{space}/{dataset}/field-features.h5")

    @property
    def field_learned(self) -> str:
        """What forests learn of accuracy, for the tables of proxies."""
        return self.result("learned/{space}/{dataset}/field.h5")

    @property
    def enas(self) -> str:
        """The search for a recurrent cell."""
        return self.result("enas/search.h5")

    @property
    def enas_cell(self) -> str:
        """The training of one of its cells."""
        return self.result("enas/cells/{place}.h5")

    @property
    def enas_convolutional(self) -> str:
        """The search for convolutional cells."""
        return self.result("enas_convolutional/{dataset}.h5")

    @property
    def report(self) -> str:
        """The page."""
        return self.result("report/index.html")


def filled(pattern: str, **given: str) -> str:
    """Return a pattern with some of its names filled in; the others stay wildcards."""
    for name, value in given.items():
        pattern = pattern.replace(f"{{{name}}}", value)
    return pattern


def _with_suffixes(stems: Sequence[str], suffixes: Sequence[str]) -> list[str]:
    return [f"{stem}{suffix}" for stem in stems for suffix in suffixes]
