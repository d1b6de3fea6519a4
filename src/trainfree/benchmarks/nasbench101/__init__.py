"""NAS-Bench-101's published interface, without TensorFlow.

from trainfree.benchmarks import nasbench101 as api
nasbench = api.NASBench("nasbench_only108.tfrecord")
nasbench.query(api.ModelSpec(matrix=[[0, 1], [0, 0]], ops=["input", "output"]))
"""

from trainfree.benchmarks.nasbench101.interface import NASBench, OutOfDomainError, UnknownHashError
from trainfree.spaces.nasbench101.specification import CellFormError, ModelSpec

__all__ = ["CellFormError", "ModelSpec", "NASBench", "OutOfDomainError", "UnknownHashError"]
