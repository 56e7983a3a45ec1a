"""Named losses and modes of the spectral VAE."""

from __future__ import annotations

from typing import Any

# Fig. 11 of the paper. None of them compares a generated spectrum with its own laboratory spectrum.
LOSS_VARIANTS: dict[str, dict[str, float]] = {
    "sad+kld": {"mmd_weight": 0.0, "sad_weight": 1.0, "paired_weight": 0.0},
    "mmd+kld": {"mmd_weight": 1.0, "sad_weight": 0.0, "paired_weight": 0.0},
    "0.5mmd+0.5sad+kld": {"mmd_weight": 0.5, "sad_weight": 0.5, "paired_weight": 0.0},
    "mmd+0.1sad+kld": {"mmd_weight": 1.0, "sad_weight": 0.1, "paired_weight": 0.0},
}

# Settings of each mode; parameters of the constructor take precedence.
MODES: dict[str, dict[str, Any]] = {
    "paired": {  # chosen on other splits than those in benchmarks/fusion_fidelity.py
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
    "paper": {  # section 3.1; the batch size is not published
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
