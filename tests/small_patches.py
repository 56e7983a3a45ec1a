"""Patch networks of random weights and statistics, ready to predict without a training."""

import numpy as np
import torch

from geosoil.estimators.depth_cnn import MultiTaskCNN, PlainCNN, TransferCNN

LAYERS_CM = [[0, 5], [5, 15], [60, 100]]
SMALL = {"layers_cm": LAYERS_CM, "filters": [5, 6, 7], "hidden": [8, 4]}


def random_net(kind="transfer", *, size=15, n_channels=3, seed=0, **options):
    """Return an estimator as if fitted: every number random, the frozen layers shared as after a transfer."""
    rng = np.random.default_rng(seed)
    estimator = {"plain": PlainCNN, "multi": MultiTaskCNN, "transfer": TransferCNN}[kind](**SMALL | options)
    estimator.size_, estimator.depths_ = size, np.arange(len(estimator.layers_cm))
    estimator.low_ = rng.normal(size=n_channels).astype(np.float32)
    estimator.range_ = rng.uniform(0.5, 3, n_channels).astype(np.float32)
    estimator.fill_ = rng.uniform(0.2, 0.8, n_channels).astype(np.float32)
    estimator.target_mean_ = rng.uniform(1, 3, len(estimator.depths_))
    estimator.target_spread_ = rng.uniform(0.5, 2, len(estimator.depths_))
    estimator.n_gaps_ = 0
    estimator.weights_ = {}
    for member in range(estimator.n_members):
        torch.manual_seed(seed + member)
        first = None
        for network in range(1 if kind == "multi" else len(estimator.depths_)):
            module = estimator._build()
            for norm in module.modules():
                if isinstance(norm, torch.nn.modules.batchnorm._BatchNorm):
                    for values, low, high in (
                        (norm.weight.data, 0.5, 2),
                        (norm.bias.data, -1, 1),
                        (norm.running_mean, -1, 1),
                        (norm.running_var, 0.05, 2),
                    ):
                        values.uniform_(low, high)
            first = first or module
            for name in module.layers[: estimator.n_frozen] if kind == "transfer" else ():
                module.get_submodule(name).load_state_dict(first.get_submodule(name).state_dict())
            estimator.weights_ |= {
                f"{member}/{network}/{name}": value.numpy()
                for name, value in module.state_dict().items()
                if not name.endswith("num_batches_tracked")
            }
    return estimator


def random_block(n_channels, height, width, *, share_of_gaps=0.1, seed=0):
    """Return `(channel, y, x)` float32 with NaN gaps."""
    rng = np.random.default_rng(seed)
    block = rng.normal(size=(n_channels, height, width)).astype(np.float32)
    block[rng.random(block.shape) < share_of_gaps] = np.nan
    return block


def cut_patches(block, size):
    """Return every patch of a block with its halo: `(y * x, channel, size, size)`."""
    windows = np.lib.stride_tricks.sliding_window_view(block, (size, size), axis=(1, 2))
    return np.ascontiguousarray(windows.transpose(1, 2, 0, 3, 4).reshape(-1, len(block), size, size))
