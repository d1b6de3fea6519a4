"""A first version of a new search algorithm, with its test: ``trainfree new-search NAME``."""

from textwrap import dedent

# Indented, because a module of this room with the line "ALGORITHM = …" is an algorithm.
SOURCE = dedent('''\
    """One line on what {name} does."""

    from __future__ import annotations

    from collections.abc import Mapping
    from dataclasses import dataclass
    from typing import ClassVar

    import numpy as np

    from trainfree.search.protocol import Preset, fitness_rank, require_at_least
    from trainfree.spaces.protocol import Space


    @dataclass(frozen=True)
    class {title}Settings:
        """What can be set beside ``algorithm`` in the configuration, with its defaults."""

        patience: int = 20

        def __post_init__(self) -> None:
            require_at_least(1, patience=self.patience)


    class {title}:
        """Climb from neighbour to neighbour; start anew after ``patience`` failures in a row.

        Replace this by your algorithm. One instance is one run: it is asked for an architecture
        and told its fitness, larger is better, NaN for one that failed.
        """

        settings_type = {title}Settings
        presets: ClassVar[Mapping[str, Preset]] = {{}}
        assisted = False
        rung = 0

        def __init__(
            self, space: Space, rng: np.random.Generator, settings: {title}Settings
        ) -> None:
            self._space, self._rng, self._patience = space, rng, settings.patience
            self._place: int | None = None
            self._rank = fitness_rank(float("nan"))
            self._failures = 0

        def ask(self) -> int:
            """Return a random architecture, or a random neighbour of the place reached."""
            if self._place is None:
                return self._space.sample(self._rng)
            neighbours = self._space.neighbours(self._place)
            return neighbours[int(self._rng.integers(len(neighbours)))]

        def tell(self, index: int, fitness: float) -> None:
            """Go there if it is better."""
            rank = fitness_rank(fitness)
            if self._place is None or rank > self._rank:
                self._place, self._rank, self._failures = index, rank, 0
                return
            self._failures += 1
            if self._failures == self._patience:
                self._place = None


    ALGORITHM = {title}
''')
TEST = dedent('''\
    """What {name} promises."""

    from pathlib import Path

    import pytest

    from trainfree.search.trial import SIZE, try_search

    FILE = Path(__file__).with_name("{name}.py")


    def test_it_asks_for_architectures_of_the_space():
        assert all(0 <= index < SIZE for index in try_search("{name}", FILE, steps=300).asked)


    @pytest.mark.parametrize("seed", [0, 1])
    def test_a_run_repeats_and_its_beginning_does_not_depend_on_its_length(seed):
        long = try_search("{name}", FILE, steps=200, seed=seed)
        assert try_search("{name}", FILE, steps=50, seed=seed).asked == long.asked[:50]


    def test_it_finds_more_than_random_search():
        found = [max(try_search("{name}", FILE, steps=60, seed=s).fitness) for s in range(20)]
        blind = [max(try_search("random", steps=60, seed=s).fitness) for s in range(20)]
        assert sum(found) > sum(blind)


    def test_it_goes_on_where_everything_fails():
        lost = try_search("{name}", FILE, steps=100, fitness=[float("nan")] * SIZE)
        assert len(lost.asked) == 100
''')
