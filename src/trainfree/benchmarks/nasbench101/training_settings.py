"""How the published trainings were done, by the published names of its settings.

Source: Ying et al., ICML 2019, section 2 and its supplement S.3, and the defaults of the
benchmark's own code. Published programs read the search space from here (``available_ops``); they
may write into it, and nothing here is trained by it.
"""

from __future__ import annotations

from typing import Any

from trainfree.spaces.nasbench101.specification import MOST_EDGES, MOST_VERTICES, OPERATIONS


def training_settings(repeats: int) -> dict[str, Any]:
    """Return the settings; ``repeats`` is how many trainings of each cell the file holds."""
    return {
        "module_vertices": MOST_VERTICES,
        "max_edges": MOST_EDGES,
        "available_ops": list(OPERATIONS),
        "num_repeats": repeats,
        # the network
        "stem_filter_size": 128,
        "num_stacks": 3,
        "num_modules_per_stack": 3,
        "num_labels": 10,
        "data_format": "channels_last",
        # the training
        "batch_size": 256,
        "train_epochs": 108,
        "train_seconds": 14400.0,
        "learning_rate": 0.1,
        "lr_decay_method": "COSINE_BY_STEP",
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "intermediate_evaluations": ["0.5"],
        "max_attempts": 5,
        # where it ran
        "use_tpu": True,
        "tpu_iterations_per_loop": 100,
        "tpu_num_shards": 2,
        "train_data_files": [],
        "valid_data_file": "",
        "test_data_file": "",
        "sample_data_file": "",
    }
