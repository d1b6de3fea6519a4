"""Speed and agreement of scoring on a GPU: ``make bench-gpu``.

One script for a bare machine: Python, torch with CUDA, triton, numpy, numba, h5py and xarray. It
prints one table and writes CSV files. Images are seeded noise. A part is left out, and says so,
where too little is left of the time. Without a GPU ``--interpret`` runs the smallest case of every
part.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"
ENVIRONMENT = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # as scoring jobs set it, for repeatable bits
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def main() -> int:
    arguments = parsed()
    os.environ.update(ENVIRONMENT)  # before NumPy and torch are imported
    find_package()
    if arguments.interpret:
        os.environ["TRITON_INTERPRET"] = "1"
    import torch

    if not arguments.interpret and not torch.cuda.is_available():
        print(
            f"no GPU was found (torch {torch.__version__}, built with CUDA "
            f"{torch.version.cuda or 'none'}); --interpret runs the smallest case on the CPU",
            file=sys.stderr,
        )
        return 1
    if find_spec("triton") is None:
        print("Triton is missing; torch's CUDA builds bring it along", file=sys.stderr)
        return 1
    logging.basicConfig(format="# %(message)s", level=logging.WARNING)
    from on_gpu.bench import Bench  # only now: these need Triton
    from on_gpu.parts import run
    from on_gpu.record import Record

    bench = Bench(Record(arguments.output), arguments.seconds, arguments.interpret)
    if arguments.tune:
        from on_gpu.tuning import tune

        tune(bench)
        return 0
    return run(bench, arguments.parts)


def find_package() -> None:
    """Let this process and its helpers import the package where it is not installed."""
    paths = [str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    sys.path.insert(0, str(SOURCE))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--seconds", type=float, default=220, help="time in all (default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, default=Path("results/bench-gpu"))
    parser.add_argument("--parts", nargs="*", default=[], help="only these parts (default: all)")
    parser.add_argument(
        "--interpret", action="store_true", help="smallest case of every part, without a GPU"
    )
    parser.add_argument(
        "--tune", action="store_true", help="time other tiles of the main kernels, and only that"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
