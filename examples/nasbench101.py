"""Ask NAS-Bench-101 what it knows of an Inception-like cell.

    python examples/nasbench101.py nasbench_only108.tfrecord

The file may also be one that ``trainfree prepare-nasbench101`` has made (quicker to open), or a
mirror's nb101_108ep.npz. This is the published example but for the import and the file.
"""

from __future__ import annotations

import sys

from trainfree.benchmarks import nasbench101 as api

INPUT = "input"
OUTPUT = "output"
CONV1X1 = "conv1x1-bn-relu"
CONV3X3 = "conv3x3-bn-relu"
MAXPOOL3X3 = "maxpool3x3"


def main(path: str) -> None:
    """Print one training, all trainings and the first cell of the table."""
    nasbench = api.NASBench(path)

    # Inception-like: the 5 x 5 convolution is two 3 x 3 ones.
    cell = api.ModelSpec(
        matrix=[
            [0, 1, 1, 1, 0, 1, 0],  # input
            [0, 0, 0, 0, 0, 0, 1],  # 1 x 1 convolution
            [0, 0, 0, 0, 0, 0, 1],  # 3 x 3 convolution
            [0, 0, 0, 0, 1, 0, 0],  # first half of the 5 x 5 convolution
            [0, 0, 0, 0, 0, 0, 1],  # second half
            [0, 0, 0, 0, 0, 0, 1],  # 3 x 3 max-pooling
            [0, 0, 0, 0, 0, 0, 0],  # output
        ],
        ops=[INPUT, CONV1X1, CONV3X3, CONV3X3, CONV3X3, MAXPOOL3X3, OUTPUT],
    )

    print("Querying an Inception-like cell.")
    print(nasbench.query(cell))
    print(nasbench.get_budget_counters())  # (seconds, epochs) of all queries

    # For analysis: everything there is, without any cost.
    print("\nAll there is of this cell.")
    fixed, computed = nasbench.get_metrics_from_spec(cell)
    print(fixed)
    for epochs in sorted(nasbench.valid_epochs):
        for repeat, metrics in enumerate(computed[epochs], start=1):
            print(f"{epochs} epochs, repeat {repeat}: {metrics}")

    print("\nThe first cell of the table.")
    for unique_hash in nasbench.hash_iterator():
        fixed, computed = nasbench.get_metrics_from_hash(unique_hash)
        print(unique_hash, fixed)
        break


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} FILE (.tfrecord, .h5 or .npz)")
    main(sys.argv[1])
