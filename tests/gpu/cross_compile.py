"""Compile for GPUs what launchers launch, on a machine without one; no test, a process of its own.

The interpreter must be off in the process that imports this.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

TYPES = {
    torch.int64: "*i64",
    torch.int32: "*i32",
    torch.int8: "*i8",
    torch.float32: "*fp32",
    torch.float64: "*fp64",
}
OPTIONS = ("num_warps", "num_stages")
CUOBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"


@dataclass(frozen=True)
class Compiled:
    """A kernel of a launch: its PTX, registers a thread and bytes of stack, where spills go."""

    name: str
    constants: dict[str, Any]
    ptx: str
    registers: int
    stack: int


class Compiler:
    """Stands in for a kernel: a launch compiles it for a compute capability instead."""

    def __init__(self, kernel: Any, capability: int, found: list[Compiled]) -> None:
        self._kernel, self._capability, self._found = kernel, capability, found

    def __getitem__(self, grid: tuple[int, ...]) -> Compiler:
        return self

    def __call__(self, *arguments: Any, **named: Any) -> None:
        kernel = self._kernel
        options = {name: named.pop(name) for name in OPTIONS if name in named}
        given = dict(zip(kernel.arg_names, arguments, strict=False)) | named
        constants = {kernel.arg_names[i]: given[kernel.arg_names[i]] for i in kernel.constexprs}
        signature = {
            name: "constexpr" if name in constants else self._type(value)
            for name, value in given.items()
        }
        pointers = {
            (place,): [["tt.divisibility", 16]]
            for place, name in enumerate(kernel.arg_names)
            if signature[name].startswith("*")
        }
        source = ASTSource(
            kernel, {name: signature[name] for name in kernel.arg_names}, constants, pointers
        )
        target = GPUTarget("cuda", self._capability, 32)
        made = triton.compile(source, target=target, options=options)
        registers, stack = usage_of(made.asm["cubin"])
        self._found.append(Compiled(kernel.__name__, constants, made.asm["ptx"], registers, stack))

    @staticmethod
    def _type(value: Any) -> str:
        return TYPES[value.dtype] if isinstance(value, torch.Tensor) else "i32"


def usage_of(cubin: bytes) -> tuple[int, int]:
    """Return registers a thread and bytes of stack."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [str(CUOBJDUMP), "-res-usage", file.name]
        usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", usage)
    assert found, usage
    return int(found[1]), int(found[2])


@contextmanager
def compiling(module: Any, capability: int) -> Iterator[list[Compiled]]:
    """Let the launchers of a module compile; yield what they have compiled."""
    found: list[Compiled] = []
    kernels = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, triton.JITFunction) and value.__module__ == module.__name__
    }
    launched = {name: value for name, value in kernels.items() if _is_launched(value)}
    for name, kernel in launched.items():
        setattr(module, name, Compiler(kernel, capability, found))
    try:
        yield found
    finally:
        for name, kernel in launched.items():
            setattr(module, name, kernel)


def _is_launched(kernel: Any) -> bool:
    """Whether it is a kernel and no function that kernels call."""
    return "tl.program_id" in kernel.src
