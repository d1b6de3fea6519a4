"""Which kinds of models and tensors cannot be scored, each with what to pass instead."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from trainfree.scoring.modules.words import kind_of, model_error, type_of

_WRAPPERS = {
    "DataParallel": "DataParallel",
    "DistributedDataParallel": "DistributedDataParallel",
    "FullyShardedDataParallel": "FullyShardedDataParallel (FSDP)",
}
_QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.nn.quantized")
_SINGLE_AND_DOUBLE = (torch.float32, torch.float64)


def no_module(found: object) -> str:
    """Return what is wrong with something that is no module."""
    expected = "expected a torch.nn.Module, found"
    if isinstance(found, type) and issubclass(found, nn.Module):
        return f"{expected} the class {found.__name__} itself; make one, as in {found.__name__}()"
    if isinstance(found, Mapping) and any(isinstance(value, Tensor) for value in found.values()):
        return (
            f"{expected} a dictionary of tensors, as state_dict() returns it; build the model and "
            "fill it with model.load_state_dict(…)"
        )
    if isinstance(found, torch.export.ExportedProgram):
        return (
            f"{expected} an exported program, which holds operations for one size of batch; hand "
            "in the model that it was exported from"
        )
    if isinstance(found, str):
        return f"{expected} the text {found[:60]!r}; load the model and pass that"
    if callable(found):
        kind = getattr(found, "__name__", type(found).__name__)
        return (
            f"{expected} the function {kind!r}; call it if it makes a model, or wrap it in a "
            "module that holds its weights"
        )
    return f"{expected} {kind_of(found)}"


def check_kind(module: nn.Module, place: str, name: str) -> None:
    """Refuse modules whose operations cannot be watched or differentiated."""
    kind = type(module)
    if isinstance(module, torch.jit.ScriptModule):
        raise model_error(
            name,
            f"it is scripted or traced by torch.jit{place}, so that its operations cannot be "
            "watched; pass the Python model that it was made from",
        )
    if kind.__name__ == "OptimizedModule" and kind.__module__.startswith("torch._dynamo"):
        raise model_error(
            name,
            f"it is compiled by torch.compile{place}, so that its operations cannot be watched; "
            "pass the model that was compiled, model._orig_mod",
        )
    if getattr(module, "_compiled_call_impl", None) is not None:
        raise model_error(
            name,
            f"it is compiled by its method compile(){place}, so that its operations cannot be "
            "watched; pass copy.deepcopy(model), which is not compiled",
        )
    if kind.__name__ in _WRAPPERS and kind.__module__.startswith("torch."):
        raise model_error(
            name,
            f"it is wrapped in {_WRAPPERS[kind.__name__]}{place}; pass what is inside, "
            "model.module, on one device",
        )
    if kind.__module__.startswith(_QUANTISED):
        raise model_error(
            name,
            f"it is quantised{place}: {kind.__name__} holds whole numbers, which have no "
            "gradient; pass the model in single precision that it was made from",
        )


def check_tensor(what: str, tensor: Tensor, name: str) -> None:
    """Refuse a parameter or buffer that cannot be computed with."""
    if is_lazy(tensor):
        raise model_error(
            name,
            f"{what} has no shape yet, as in lazy modules; run the model once on a mini-batch",
        )
    wraps_others: bool = is_traceable_wrapper_subclass(tensor)
    if wraps_others:
        raise model_error(
            name,
            f"{what} is of the tensor class {type(tensor).__name__}, as sharded and quantised "
            "models have; pass the model with plain tensors",
        )
    if tensor.device.type == "meta":
        raise model_error(
            name,
            f"{what} is on the meta device, which has shapes but no numbers; build the model "
            'without torch.device("meta"), or fill it: model.to_empty(device="cpu") and weights',
        )
    if tensor.layout != torch.strided:
        raise model_error(
            name, f"{what} is sparse ({tensor.layout}); make it dense with to_dense()"
        )
    if tensor.is_quantized or (what.startswith("parameter") and not _is_number(tensor)):
        raise model_error(
            name,
            f"{what} holds whole numbers ({type_of(tensor)}), as in quantised models, which have "
            "no gradient; pass the model in single precision that it was made from",
        )
    if not what.startswith("parameter"):
        return
    if tensor.is_complex():
        raise model_error(
            name,
            f"{what} is complex ({type_of(tensor)}), and proxies are defined for real weights; "
            "hold real and imaginary part as two parameters",
        )
    if tensor.dtype not in _SINGLE_AND_DOUBLE:
        raise model_error(
            name,
            f"{what} is in lower precision ({type_of(tensor)}), too coarse for what proxies take "
            "logarithms and differences of; convert the model with model.float()",
        )


def _is_number(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()
