"""The training loop: a seed gives the same weights, nothing outside is disturbed, patience keeps the best."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn

from geosoil.errors import OutputError, RecipeError
from geosoil.networks.loop import TrainSettings
from geosoil.networks.loop import train as train_network

RNG = np.random.default_rng(0)
X = RNG.normal(size=(33, 3)).astype(np.float32)
Y = X @ np.float32([[1.0], [-2.0], [0.5]])


def squared_error(module, batch, generator):
    return ((module(batch[0]) - batch[1]) ** 2).mean()


def build():
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))


def train(build, arrays, loss, **options):
    names = {field.name for field in fields(TrainSettings)}
    settings = TrainSettings(**{name: value for name, value in options.items() if name in names})
    return train_network(
        build, arrays, loss, settings, **{name: value for name, value in options.items() if name not in names}
    )


def fit(**options):
    return train(
        build, (X, Y), squared_error, **{"seed": 1, "epochs": 5, "batch_size": 16, "learning_rate": 1e-2} | options
    )


def test_a_seed_always_gives_the_same_weights_and_another_seed_others():
    first, again, other = fit(), fit(), fit(seed=2)
    for name, weight in first.weights.items():
        np.testing.assert_array_equal(weight, again.weights[name])
    assert not np.array_equal(first.weights["0.weight"], other.weights["0.weight"])


def test_the_random_numbers_of_others_are_not_disturbed():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit()
    torch.testing.assert_close(torch.rand(3), expected)


def test_the_random_numbers_of_others_do_not_disturb():
    torch.manual_seed(7)
    first = fit()
    torch.manual_seed(8)
    np.testing.assert_array_equal(first.weights["0.weight"], fit().weights["0.weight"])


def test_no_batch_is_left_with_a_single_row():
    # 33 rows in batches of 16: cut evenly, 11 each. A last batch of one row would break batch normalisation.
    seen = []

    def loss(module, batch, generator):
        seen.append(len(batch[0]))
        return squared_error(module, batch, generator)

    train(build, (X, Y), loss, seed=0, epochs=1, batch_size=16, learning_rate=1e-3)
    assert seen == [11, 11, 11]


def test_patience_stops_and_gives_back_the_best_weights():
    noise = RNG.normal(size=Y.shape).astype(np.float32)
    trained = train(
        build, (X, noise), squared_error,
        seed=0, epochs=500, batch_size=16, learning_rate=1e-2, patience=10, stopping_share=0.3,
    )  # fmt: skip
    losses = trained.stopping_losses
    assert len(losses) == np.argmin(losses) + 1 + 10 < 500

    # Stopped by hand at its best epoch, the same training gives the same weights.
    by_hand = train(
        build, (X, noise), squared_error,
        seed=0, epochs=int(np.argmin(losses)) + 1, batch_size=16, learning_rate=1e-2, patience=10, stopping_share=0.3,
    )  # fmt: skip
    np.testing.assert_array_equal(trained.weights["0.weight"], by_hand.weights["0.weight"])


def test_an_epoch_without_numbers_for_the_stopping_rows_is_no_best():
    def failing(epochs):
        asked = []

        def loss(module, batch, generator):
            asked.append(module.training)
            error = squared_error(module, batch, generator)
            return error if module.training or asked.count(False) not in epochs else error * float("nan")

        settings = {"seed": 0, "epochs": 4, "batch_size": 64, "learning_rate": 1e-2, "patience": 9}
        return train(build, (X, Y), loss, **settings)

    whole, spoilt = failing(()), failing((4,))
    assert np.argmin(whole.stopping_losses) == 3 and np.isnan(spoilt.stopping_losses[3])
    three = train(build, (X, Y), squared_error, seed=0, epochs=3, batch_size=64, learning_rate=1e-2, patience=9)
    np.testing.assert_array_equal(spoilt.weights["0.weight"], three.weights["0.weight"])
    with pytest.raises(RecipeError, match="no epoch with finite predictions"):
        failing(range(1, 5))


def test_frozen_parameters_stay():
    def half_frozen():
        module = build()
        module[0].weight.requires_grad_(False).fill_(0.5)
        return module

    trained = train(half_frozen, (X, Y), squared_error, seed=0, epochs=2, batch_size=16, learning_rate=1e-2)
    assert (trained.weights["0.weight"] == 0.5).all()
    assert not (trained.weights["4.weight"] == 0.5).any()


def test_progress_hears_of_every_epoch_and_losses_fall():
    heard = []
    trained = fit(epochs=20, progress=lambda epoch, loss: heard.append((epoch, loss)))
    assert [epoch for epoch, _ in heard] == list(range(1, 21))
    assert [loss for _, loss in heard] == trained.losses.tolist()
    assert trained.losses[-1] < 0.5 * trained.losses[0]


def test_a_training_that_explodes_is_refused():
    with pytest.raises(RecipeError, match="lower learning_rate"):
        fit(learning_rate=1e30, epochs=20)


def test_l2_is_the_sum_of_squares_of_the_kernels_in_the_loss():
    def with_penalty(module, batch, generator):
        kernels = (module[0].weight, module[4].weight)  # neither biases nor batch norm
        return squared_error(module, batch, generator) + 0.05 * sum((kernel**2).sum() for kernel in kernels)

    ours = fit(l2=0.05)
    by_hand = train(build, (X, Y), with_penalty, seed=1, epochs=5, batch_size=16, learning_rate=1e-2)
    for name, weight in ours.weights.items():
        np.testing.assert_allclose(weight, by_hand.weights[name], atol=1e-5)
    assert not np.allclose(fit().weights["0.weight"], ours.weights["0.weight"], atol=1e-4)


def test_groups_stand_on_one_side_of_the_rows_that_say_when_to_stop():
    groups = np.repeat(np.arange(11), 3)
    seen = set()

    def loss(module, batch, generator):
        if module.training:
            seen.update(batch[2][:, 0].int().tolist())
        return squared_error(module, batch, generator)

    train(build, (X, Y, groups[:, None]), loss, seed=3, epochs=1, batch_size=16, learning_rate=1e-3,
          patience=5, stopping_share=0.3, groups=groups)  # fmt: skip
    assert len(seen) == 7  # 10 of 33 rows: four groups of three
    with pytest.raises(RecipeError, match="at least two groups"):
        fit(patience=5, groups=np.zeros(33))


class InterruptedTrainingError(Exception):
    pass


@pytest.mark.parametrize("options", [{"patience": 6, "stopping_share": 0.3, "l2": 0.01}, {"decay_learning_rate": True}])
def test_a_resumed_training_gives_the_very_same_weights(tmp_path, options):
    path = tmp_path / "net.safetensors"
    whole = fit(epochs=23, **options)

    def stop(epoch, loss):
        if epoch == 14:
            raise InterruptedTrainingError

    with pytest.raises(InterruptedTrainingError):
        fit(epochs=23, checkpoint=path, checkpoint_every=4, progress=stop, **options)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    heard = []
    resumed = fit(epochs=23, checkpoint=path, progress=lambda epoch, loss: heard.append(epoch), **options)
    assert heard[0] == 13
    np.testing.assert_array_equal(resumed.losses, whole.losses)
    np.testing.assert_array_equal(resumed.stopping_losses, whole.stopping_losses)
    for name, weight in whole.weights.items():
        np.testing.assert_array_equal(resumed.weights[name], weight)
    assert not path.exists()


def test_the_checkpoint_of_another_training_or_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "net.safetensors"

    def stop(epoch, loss):
        if epoch == 3:
            raise InterruptedTrainingError

    with pytest.raises(InterruptedTrainingError):
        fit(checkpoint=path, checkpoint_every=1, progress=stop)
    with pytest.raises(OutputError, match="an earlier run with seed = 1; expected seed = 2"):
        fit(seed=2, checkpoint=path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(OutputError, match="damaged, or not a journal"):
        fit(checkpoint=path)
