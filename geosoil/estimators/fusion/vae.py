"""The spectral VAE of Ou et al. (2025): satellite spectra in, laboratory-like spectra out."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from geosoil.errors import RecipeError
from geosoil.estimators.fusion.generator import Realisations, Scaling, draw_realisations, generator_program, members_of
from geosoil.estimators.fusion.pairs import checked_pairs, checked_target, common_spread, with_neighbours
from geosoil.estimators.fusion.settings import LOSS_VARIANTS, MODES
from geosoil.program.ops import Program, Select
from geosoil.program.parallel import Parallel
from geosoil.program.step import Step

if TYPE_CHECKING:
    from collections.abc import Callable

COLLAPSE = 0.1  # below this share of the spread of the laboratory spectra, the generated spectra hardly vary


class SpectralVAE(Step):
    """Generate laboratory-like spectra from satellite spectra with a variational autoencoder.

    The loss is mmd_weight MMD + sad_weight SAD + beta KLD + paired_weight MSE, with SAD in radians on spectra in their
    unit, MMD and MSE on standardised spectra. Satellite and laboratory spectra are each centred by band and divided by
    one spread for all bands, so that noisy bands are not amplified.

    Parameters
    ----------
    output : {"mix", "vae"}
        "mix" returns the satellite spectra followed by the generated ones, "vae" only the generated ones.
    mode : {"paired", "paper"}
        Source of the settings that are None. "paired" adds to the loss of the paper the squared error between each
        generated spectrum and its own laboratory spectrum. "paper" uses the published loss and settings, whose
        divergence of weight 1 generates nearly one spectrum for all samples (see `collapse_`).
    loss : str, optional
        One of `LOSS_VARIANTS` (Fig. 11 of the paper), without the paired term unless `paired_weight` is given.
    mmd_weight, sad_weight, paired_weight, beta : float, optional
        Weights of the terms of the loss.
    kl : {"true", "paper"}, optional
        "true" is the mean over samples and latent numbers; "paper" is Eq. 2 as printed, the sum without 1/2.
    hidden : sequence of int
        Units of the hidden layers of the encoder; the decoder mirrors them.
    latent : int
        Number of latent variables.
    dropout : float
        Share of units dropped in training.
    linear_skip : bool, optional
        Add a linear layer from input to output beside the network.
    n_members : int, optional
        Networks whose mean is returned.
    epochs, batch_size, learning_rate, decay_learning_rate : optional
        See `networks.loop.TrainSettings`.
    neighbour_sad_rad : float
        A neighbouring pixel is trained on if its spectral angle to the pixel of the sample is smaller (radians). The
        batch size then grows in proportion, so that the number of steps remains the same.
    n_seeds : int
        Seeds of `seed_range` that are searched for generated spectra that correlate with y; the `n_best` are smoothed
        over `smoothing_bands` bands (Savitzky-Golay, order 2) and averaged.
    n_draws : int
        Average over this number of draws of the latent variables instead. By default their means are used.
    random_state : int
        Seed.

    Attributes
    ----------
    weights_ : dict of str to ndarray
        Weights by member and layer.
    collapse_ : float
        Spread of the generated spectra as a share of that of the laboratory spectra, for the training samples.
    n_neighbours_used_ : int
        Neighbouring pixels trained on.
    losses_ : dict
        "total": mean loss of the members `(epoch,)`.
    notes_ : list of str
        Sentences for a report.
    seeds_, correlation_ : ndarray of shape (n_best,)
        Seeds found and their absolute correlation with y.
    null_correlation_ : ndarray of shape (100,)
        Best absolute correlation of the same search on shuffled targets.

    References
    ----------
    Ou et al. 2025, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> laboratory = np.linspace(0.2, 0.4, 12) * rng.uniform(0.5, 1.5, (30, 1))
    >>> vae = SpectralVAE(hidden=[16, 8], latent=2, epochs=20)
    >>> vae.fit(0.5 * laboratory, laboratory=laboratory).transform(0.5 * laboratory).shape
    (30, 24)
    """

    fitted: ClassVar[tuple[str, ...]] = (
        "n_features_in_", "weights_", "x_mean_", "x_scale_", "y_mean_", "y_scale_", "realisations_", "seeds_",
        "correlation_", "null_correlation_", "collapse_", "n_neighbours_used_", "losses_", "notes_",
    )  # fmt: skip

    def __init__(
        self,
        *,
        output: Literal["mix", "vae"] = "mix",
        mode: Literal["paired", "paper"] = "paired",
        loss: str | None = None,
        mmd_weight: float | None = None,
        sad_weight: float | None = None,
        paired_weight: float | None = None,
        beta: float | None = None,
        kl: Literal["true", "paper"] | None = None,
        hidden: tuple[int, ...] | list[int] = (256, 128, 64),
        latent: int = 16,
        dropout: float = 0.4,
        linear_skip: bool | None = None,
        n_members: int | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        decay_learning_rate: bool | None = None,
        neighbour_sad_rad: float = 0.08,
        n_seeds: int = 0,
        seed_range: tuple[int, int] | list[int] = (-9999, 9999),
        n_best: int = 3,
        smoothing_bands: int = 11,
        n_draws: int = 0,
        random_state: int = 0,
    ) -> None:
        self.output = output
        self.mode = mode
        self.loss = loss
        self.mmd_weight = mmd_weight
        self.sad_weight = sad_weight
        self.paired_weight = paired_weight
        self.beta = beta
        self.kl = kl
        self.hidden = hidden
        self.latent = latent
        self.dropout = dropout
        self.linear_skip = linear_skip
        self.n_members = n_members
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.decay_learning_rate = decay_learning_rate
        self.neighbour_sad_rad = neighbour_sad_rad
        self.n_seeds = n_seeds
        self.seed_range = seed_range
        self.n_best = n_best
        self.smoothing_bands = smoothing_bands
        self.n_draws = n_draws
        self.random_state = random_state

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray | None = None,
        *,
        laboratory: np.ndarray | None = None,
        neighbours: np.ndarray | None = None,
        progress: Callable[[int, float], None] | None = None,
    ) -> SpectralVAE:
        """Train on pairs of satellite and laboratory spectra.

        Parameters
        ----------
        X : ndarray of shape (sample, band)
            Satellite spectra.
        y : ndarray of shape (sample,), optional
            Target, used only by the search of seeds.
        laboratory : ndarray of shape (sample, band)
            Laboratory spectra of the same samples at the same bands.
        neighbours : ndarray of shape (sample, neighbour, band), optional
            Satellite spectra around each sample; NaN where missing.
        progress : callable, optional
            Called with each epoch and its loss.

        Raises
        ------
        SamplesError
            If spectra are missing, too few, not finite or do not match.
        RecipeError
            If a parameter is invalid.
        """
        settings = self._settings()
        X, laboratory = checked_pairs(X, laboratory)
        target = checked_target(y, len(X)) if self.n_seeds else None
        rows, sample = with_neighbours(X, neighbours, self.neighbour_sad_rad)
        self.n_features_in_ = X.shape[1]
        self.n_neighbours_used_ = len(rows) - len(X)
        self.x_mean_, self.x_scale_ = rows.mean(axis=0), common_spread(rows, "satellite")
        self.y_mean_, self.y_scale_ = laboratory.mean(axis=0), common_spread(laboratory, "laboratory")
        standard_x = (rows - self.x_mean_) / self.x_scale_
        standard_y = ((laboratory - self.y_mean_) / self.y_scale_)[sample]
        self.notes_: list[str] = []
        if neighbours is not None:
            self.notes_.append(
                f"{self.n_neighbours_used_} neighbouring pixels lie within {self.neighbour_sad_rad:g} rad of the pixel "
                f"of their sample and were added to the {len(X)} training samples."
            )
        self._train(standard_x, standard_y, settings, len(X), progress)
        self._choose_realisations((X - self.x_mean_) / self.x_scale_, target)
        self._diagnose(X)
        return self

    def _settings(self) -> dict[str, Any]:
        """Return the settings of the mode, replaced by those of the loss variant and by given parameters."""
        for name, allowed in (("output", ["mix", "vae"]), ("mode", [*MODES]), ("kl", [None, "true", "paper"])):
            if getattr(self, name) not in allowed:
                raise _invalid(f"{name}={getattr(self, name)!r}", f"one of {allowed}")
        if self.loss is not None and self.loss not in LOSS_VARIANTS:
            raise _invalid(f"loss={self.loss!r}", f"None or one of {[*LOSS_VARIANTS]}")
        if not self.hidden or min([*self.hidden, self.latent]) < 1 or not 0 <= self.dropout < 1:
            raise _invalid(
                f"hidden={self.hidden}, latent={self.latent}, dropout={self.dropout}",
                "sizes of 1 or more and a dropout of 0 or more, below 1",
            )
        settings = MODES[self.mode] | LOSS_VARIANTS.get(self.loss or "", {})
        settings |= {name: getattr(self, name) for name in settings if getattr(self, name) is not None}
        low, high = self.seed_range
        if self.n_seeds > high - low + 1:
            raise _invalid(f"n_seeds={self.n_seeds}", f"at most {high - low + 1}, the number of seeds in seed_range")
        if self.n_seeds and self.n_draws:
            raise _invalid(f"n_seeds={self.n_seeds} and n_draws={self.n_draws}", "at most one of them above 0")
        if self.n_seeds and self.n_best < 1:
            raise _invalid(f"n_best={self.n_best}", "at least 1")
        return settings

    def _train(
        self,
        x: np.ndarray,
        y: np.ndarray,
        settings: dict[str, Any],
        n_samples: int,
        progress: Callable[[int, float], None] | None,
    ) -> None:
        import torch

        from geosoil.estimators.fusion.losses import divergence, mean_discrepancy, paired_error, spectral_angle
        from geosoil.networks.loop import TrainSettings, train
        from geosoil.networks.vae import VariationalAutoencoder

        mean = torch.from_numpy(self.y_mean_.astype(np.float32))

        def build() -> VariationalAutoencoder:
            return VariationalAutoencoder(
                x.shape[1], list(self.hidden), self.latent, self.dropout, linear_skip=settings["linear_skip"]
            )

        def loss(module: Any, batch: tuple[torch.Tensor, ...], generator: torch.Generator) -> torch.Tensor:
            generated, mu, logvar = module(batch[0], generator)
            kld = divergence(mu, logvar, kl=settings["kl"])
            total = settings["beta"] * (kld.sum() if settings["kl"] == "paper" else kld.mean() / self.latent)
            if settings["mmd_weight"]:
                total = total + settings["mmd_weight"] * mean_discrepancy(generated, batch[1])
            if settings["sad_weight"]:
                angle = spectral_angle(generated * self.y_scale_ + mean, batch[1] * self.y_scale_ + mean)
                total = total + settings["sad_weight"] * angle.mean()
            if settings["paired_weight"]:
                total = total + settings["paired_weight"] * paired_error(generated, batch[1])
            return total

        self.weights_: dict[str, np.ndarray] = {}
        losses = []
        for member in range(settings["n_members"]):
            trained = train(
                build,
                (x, y),
                loss,
                TrainSettings(
                    seed=self.random_state * 1000 + member,
                    epochs=settings["epochs"],
                    batch_size=-(-settings["batch_size"] * len(x) // n_samples),
                    learning_rate=settings["learning_rate"],
                    decay_learning_rate=settings["decay_learning_rate"],
                ),
                progress=progress,
            )
            self.weights_ |= {f"{member}.{name}": weight for name, weight in trained.weights.items()}
            losses.append(trained.losses)
        self.losses_ = {"total": np.mean(losses, axis=0)}

    def _choose_realisations(self, x: np.ndarray, target: np.ndarray | None) -> None:
        from geosoil.estimators.fusion.seeds import search_seeds

        members = members_of(self.weights_)
        rng = np.random.default_rng(self.random_state)
        low, high = self.seed_range
        self.seeds_ = np.empty(0, np.int64)
        self.correlation_, self.null_correlation_ = np.empty(0), np.empty(0)
        dropout = 0.0
        if target is not None:
            dropout = self.dropout
            search = search_seeds(
                members,
                x,
                target,
                seeds=low + rng.choice(high - low + 1, self.n_seeds, replace=False),
                dropout=dropout,
                n_best=self.n_best,
                smoothing=self._smoothing(),
                random_state=self.random_state,
            )
            self.seeds_, self.correlation_ = search.seeds, search.correlation
            self.null_correlation_ = search.null_correlation
            self.notes_.append(
                f"Best |r| of {self.n_seeds} seeds with the target on the {len(x)} training samples: "
                f"{self.correlation_[0]:.2f}. The same search on shuffled targets finds "
                f"{np.median(self.null_correlation_):.2f} (median) to {np.quantile(self.null_correlation_, 0.95):.2f} "
                "(95 %): only a larger correlation is more than chance."
            )
        elif self.n_draws:
            self.seeds_ = rng.integers(low, high, self.n_draws, endpoint=True)
        self.realisations_: dict[str, np.ndarray] = {}
        if len(self.seeds_):
            drawn = draw_realisations(self.seeds_, members, dropout)
            self.realisations_ = {"noise": drawn.noise} | {f"mask_{i}": mask for i, mask in enumerate(drawn.masks)}

    def _smoothing(self) -> np.ndarray | None:
        """Return the Savitzky-Golay matrix `(band, band)` applied after a search of seeds, else None."""
        from geosoil.spectra.smooth import SavitzkyGolay

        if not self.n_seeds:
            return None
        step = SavitzkyGolay(window_bands=self.smoothing_bands, polynomial_order=2)
        unit = np.eye(self.n_features_in_)
        smoothed: np.ndarray = step.fit_transform(unit).T
        return smoothed

    def _diagnose(self, X: np.ndarray) -> None:
        generated = self._run(self._generator(), X)
        self.collapse_ = float(np.sqrt(generated.var(axis=0, dtype=np.float64).mean()) / self.y_scale_)
        if self.collapse_ < COLLAPSE:
            note = (
                f"The generated spectra have collapsed: they vary only {self.collapse_:.3f} times as much as the "
                "laboratory spectra. Lower beta, train longer, or use mode='paired'."
            )
            self.notes_.append(note)
            warnings.warn(note, stacklevel=3)

    def _generator(self) -> Program:
        realisations = None
        if self.realisations_:
            masks = [self.realisations_[f"mask_{i}"] for i in range(len(self.realisations_) - 1)]
            realisations = Realisations(masks, self.realisations_["noise"])
        scaling = Scaling(self.x_mean_, self.x_scale_, self.y_mean_, self.y_scale_)
        return generator_program(members_of(self.weights_), scaling, realisations, self._smoothing())

    def _run(self, program: Program, X: np.ndarray) -> np.ndarray:
        from geosoil.program.lower import compile_program

        return compile_program(program, self.n_features_in_)(X.T).T

    def lower(self) -> Program:
        """Return the program that `transform` runs."""
        check_is_fitted(self)
        if self.output == "vae":
            return self._generator()
        return (Parallel(((Select(np.arange(self.n_features_in_)),), self._generator()), "concat"),)

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return generated spectra for X `(sample, band)`, preceded by X if `output="mix"`; NaN for rows with NaN."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float32, np.float64], ensure_all_finite="allow-nan")
        return self._run(self.lower(), X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the input bands (if `output="mix"`) and of the generated bands (`generated_NAME`)."""
        if input_features is None:
            input_features = getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)])
        generated = [f"generated_{name}" for name in input_features]
        return np.array(generated if self.output == "vae" else [*input_features, *generated], dtype=object)


def _invalid(found: str, expected: str) -> RecipeError:
    return RecipeError("SpectralVAE", found=found, expected=expected, way_out="change this parameter")
