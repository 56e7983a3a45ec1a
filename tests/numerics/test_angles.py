import json

import numpy as np
import pytest
from shared_material import shared

from geosoil.numerics.angles import spectral_angle_rad


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_the_angle_equals_that_of_spy(dtype, tolerance):
    golden = json.loads(shared("golden/vae_losses/losses.json").read_text())
    found = spectral_angle_rad(np.asarray(golden["X"], dtype), np.asarray(golden["Y_paired"], dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, golden["sad_rad_per_row"], rtol=0, atol=tolerance)
    assert found.mean() == pytest.approx(golden["sad_mean"], abs=tolerance)


def test_a_small_angle_keeps_its_digits():
    found = spectral_angle_rad(np.array([[1.0, 1e-9]]), np.array([1.0, 0.0]))
    np.testing.assert_allclose(found, 1e-9, rtol=1e-6)  # the arc cosine would say 0


def test_brightness_does_not_matter_and_opposite_is_pi():
    x = np.array([[0.1, 0.2, 0.3]])
    np.testing.assert_allclose(spectral_angle_rad(np.vstack([x, -x]), 7 * x[0]), [0, np.pi], atol=1e-7)


def test_a_spectrum_of_zeros_has_no_direction_and_disturbs_no_other():
    found = spectral_angle_rad(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(found, [np.nan, np.pi / 2])
