"""The search for neighbours gives what the definition gives, to the last bit, by either method and for any batch."""

import numpy as np
import pytest

from geosoil.numerics.neighbours import NeighbourSearch, Units, mean_distance

METHODS = ("matrix", "tree")


def prepared(points, method):
    """Return a search that has its matrix or tree, so that it is used for a few rows too."""
    search = NeighbourSearch(points, method=method)
    search.query(np.repeat(points[:1], 5, axis=0))
    return search


def by_definition(rows, points, limit, unit, skipped=None):
    distance, neighbour, count = [], [], []
    for i, row in enumerate(rows):
        squared = np.zeros(len(points))
        for k in range(points.shape[1]):  # one feature after the other, as the search sums them
            squared += (row[k] - points[:, k]) ** 2
        distances = np.sqrt(squared)
        if skipped is not None and skipped[i] >= 0:
            distances[skipped[i]] = np.inf
        distance.append(distances.min())
        neighbour.append(distances.argmin())
        count.append(int((distances / unit < limit).sum()))
    return np.array(distance), np.array(neighbour), np.array(count)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n", "p"), [(1, 1), (7, 2), (300, 3), (200, 40), (90, 1200)])
def test_both_methods_give_what_the_definition_gives_to_the_last_bit(method, n, p):
    rng = np.random.default_rng(n)
    points, rows = rng.normal(size=(n, p)), rng.normal(size=(150 if p < 100 else 12, p))
    found = NeighbourSearch(points, method=method).query(rows, limit=1.1, unit=np.sqrt(p))
    for got, expected in zip(found, by_definition(rows, points, 1.1, np.sqrt(p)), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("method", METHODS)
def test_a_row_can_be_left_out_of_its_neighbours(method):
    points = np.random.default_rng(0).normal(size=(60, 3))
    skipped = np.arange(60)
    skipped[::7] = -1
    found = NeighbourSearch(points, method=method).query(points, limit=0.8, skipped=skipped)
    for got, expected in zip(found, by_definition(points, points, 0.8, 1.0, skipped), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert (found.distance[::7] == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_distance_that_equals_the_limit_does_not_count(method):
    points = np.random.default_rng(1).normal(size=(80, 4))
    row, distances = points[:1], np.sqrt(((points[0] - points) ** 2).sum(axis=1))
    search = prepared(points, method)
    exact = search.query(row, skipped=np.array([0])).distance[0]
    assert exact == pytest.approx(np.sort(distances)[1])
    assert search.query(row, limit=exact).n_within[0] == 1  # the point itself
    assert search.query(row, limit=np.nextafter(exact, 9)).n_within[0] == 2


@pytest.mark.parametrize("method", METHODS)
def test_close_points_far_from_the_origin_are_distinguished(method):
    """In metres of a projection, where a product in float32 would leave no digit of the distances."""
    points = np.array([400_000.0, 5_700_000.0]) + np.random.default_rng(2).uniform(0, 0.01, (500, 2))
    rows = points[:50] + 1e-6
    found = NeighbourSearch(points, method=method).query(rows, limit=1e-4)
    for got, expected in zip(found, by_definition(rows, points, 1e-4, 1.0), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_the_result_of_a_row_does_not_depend_on_the_other_rows():
    rng = np.random.default_rng(3)
    points, rows = rng.normal(size=(700, 30)), rng.normal(size=(900, 30))
    search = NeighbourSearch(points, method="matrix")
    whole = search.query(rows, limit=6.0)
    parts = [search.query(rows[start : start + 37], limit=6.0) for start in range(0, 900, 37)]
    for got, expected in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(got, np.concatenate(expected))


@pytest.mark.parametrize("method", METHODS)
def test_rows_that_are_not_finite_have_no_distance_and_huge_ones_do_not_overflow_to_wrong_neighbours(method):
    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    rows = np.array([[np.nan, 0.0], [np.inf, 0.0], [3e38, 3e38], [1.0, 0.9]])
    found = prepared(points, method).query(rows, limit=0.5)
    np.testing.assert_array_equal(np.isnan(found.distance), [True, True, False, False])
    assert found.distance[2] == pytest.approx(np.sqrt(2) * 3e38)
    assert found.neighbour.tolist()[3] == 1 and found.n_within.tolist() == [0, 0, 0, 1]


def test_the_nearest_of_points_whose_distances_differ_by_less_than_float32_can_hold_is_exact():
    directions = np.random.default_rng(5).normal(size=(300, 20))
    directions /= np.sqrt((directions**2).sum(axis=1, keepdims=True))
    row = np.full((1, 20), 0.3)
    points = row + directions * (1 + 1e-9 * np.random.default_rng(6).permutation(300))[:, None]
    found = prepared(points, "matrix").query(row, limit=1 + 150.5e-9)
    assert found.neighbour[0] == by_definition(row, points, 1, 1)[1][0]
    assert found.distance[0] == pytest.approx(1, abs=1e-12)
    assert found.n_within[0] == 151


def test_the_limit_of_a_huge_row_is_exclusive_too():
    search = prepared(np.array([[0.0], [1.0]]), "matrix")
    assert search.query(np.array([[1e30]]), limit=1e30).n_within[0] == 0
    assert search.query(np.array([[1e30]]), limit=1.1e30).n_within[0] == 2


@pytest.mark.parametrize("method", METHODS)
def test_a_few_rows_are_computed_directly_with_the_same_result(method):
    rng = np.random.default_rng(7)
    points, rows = rng.normal(size=(300, 5)), rng.normal(size=(50, 5))
    whole = NeighbourSearch(points, method=method).query(rows, limit=2.0, unit=1.3)
    skipped = np.array([4, -1, 9])
    part = NeighbourSearch(points, method=method).query(rows[:3], limit=2.0, unit=1.3)
    for got, expected in zip(part, whole, strict=True):
        np.testing.assert_array_equal(got, expected[:3])
    part = NeighbourSearch(points, method=method).query(points[[4, 5, 9]], limit=2.0, skipped=skipped)
    for got, expected in zip(part, by_definition(points[[4, 5, 9]], points, 2.0, 1.0, skipped), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_many_points_with_few_features_are_searched_by_a_tree():
    assert NeighbourSearch(np.zeros((2500, 2))).method == "tree"
    assert NeighbourSearch(np.zeros((2000, 2))).method == "matrix"
    assert NeighbourSearch(np.zeros((2500, 50))).method == "matrix"


def test_the_mean_distance_is_that_of_all_pairs_also_with_duplicates_and_a_large_offset():
    from scipy.spatial.distance import pdist

    points = np.random.default_rng(4).normal(size=(120, 6)) + 1e6
    points[10:20] = points[0] + 1e-7 * np.arange(10)[:, None]
    assert mean_distance(points) == pytest.approx(pdist(points - 1e6).mean(), rel=1e-11)


def test_thousands_of_features_are_searched_by_a_matrix_product():
    points = np.random.default_rng(0).normal(size=(5, 4000))
    search = NeighbourSearch(points)
    assert search.method == "matrix"
    assert search.query(points).neighbour.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("method", METHODS)
def test_a_row_whose_only_point_is_left_out_has_no_neighbour(method):
    points = np.ones((1, 2))
    found = prepared(points, method).query(points, limit=1.0, skipped=np.array([0]))
    assert (found.distance[0], found.neighbour[0], found.n_within[0]) == (np.inf, -1, 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_in_other_units_have_the_distances_of_converted_rows_to_the_last_bit(method, kind):
    rng = np.random.default_rng(8)
    units = Units(rng.normal(1000, 10, 6), 1 / rng.uniform(0.01, 3, 6))
    rows = (units.centre + rng.normal(size=(1500, 6)) / units.factor).astype(kind)
    rows[7, 2] = np.nan
    points = units.convert(rows[::5])
    points = points[np.isfinite(points).all(axis=1)]
    expected = NeighbourSearch(points, method=method).query(units.convert(rows), limit=2.0)
    found = NeighbourSearch(points, units=units, method=method).query(np.asfortranarray(rows), limit=2.0)
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(found.distance[7], np.nan)
