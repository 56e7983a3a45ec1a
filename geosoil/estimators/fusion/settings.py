"""The losses and the modes of the spectral VAE, by name."""

from __future__ import annotations

from typing import Any

# Fig. 11 of the paper. None of them ties a spectrum to its own target.
LOSS_VARIANTS: dict[str, dict[str, float]] = {
    "sad+kld": {"mmd_weight": 0.0, "sad_weight": 1.0, "paired_weight": 0.0},
    "mmd+kld": {"mmd_weight": 1.0, "sad_weight": 0.0, "paired_weight": 0.0},
    "0.5mmd+0.5sad+kld": {"mmd_weight": 0.5, "sad_weight": 0.5, "paired_weight": 0.0},
    "mmd+0.1sad+kld": {"mmd_weight": 1.0, "sad_weight": 0.1, "paired_weight": 0.0},
}

# What a mode stands for; every setting given to the constructor goes before it.
MODES: dict[str, dict[str, Any]] = {
    "paired": {  # measured on other splits than benchmarks/fusion_fidelity.py reports
        "mmd_weight": 1.0,
        "sad_weight": 0.1,
        "paired_weight": 10.0,
        "beta": 1e-3,
        "kl": "true",
        "linear_skip": True,
        "n_members": 3,
        "epochs": 75,
        "batch_size": 32,
        "learning_rate": 2e-3,
        "decay_learning_rate": True,
    },
    "paper": {  # section 3.1; batch size is not given
        **LOSS_VARIANTS["mmd+0.1sad+kld"],
        "beta": 1.0,
        "kl": "paper",
        "linear_skip": False,
        "n_members": 1,
        "epochs": 100,
        "batch_size": 16,
        "learning_rate": 1e-4,
        "decay_learning_rate": False,
    },
}
