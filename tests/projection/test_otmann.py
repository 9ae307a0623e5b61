import itertools
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from remap_ray.errors import InvalidRequest
from remap_ray.projection import otmann, transport
from remap_ray.projection.networks import Table
from remap_ray.projection.otmann import DEFAULT, OTMANN_2018, REMAP_2019, Networks, matching
from remap_ray.space import (
    Activation,
    Architecture,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    GlobalAvgPool,
    MaxPool,
)
from remap_ray.space.layers import KINDS
from tests.benchmarks.plain_otmann import plain_distances

GOLDEN = Path(__file__).parents[1] / "golden"
PUBLISHED = [("otmann-2018", OTMANN_2018), ("otmann-remap-2019", REMAP_2019)]


def net(*layers, classes=10):
    # The distance does not look at the image: a large one fits any layers.
    return Architecture((1, 4096, 4096), classes, layers)


IMAGE_LAYERS = st.one_of(
    st.builds(Conv, st.sampled_from([1, 16, 128]), st.sampled_from([1, 3, 5, 7])),
    st.builds(DepthwiseConv, st.sampled_from([1, 16, 128]), st.sampled_from([1, 3, 5, 7])),
    st.builds(MaxPool, st.sampled_from([2, 3, 5])),
    st.builds(AvgPool, st.sampled_from([2, 3, 5])),
)
ANY_LAYERS = st.one_of(
    st.builds(Dropout, st.sampled_from([0.0, 0.125, 0.5, 0.875])),
    st.builds(Activation, st.sampled_from(["relu", "tanh", "sigmoid"])),
    st.builds(BatchNorm),
)
FLAT_LAYERS = st.builds(Dense, st.sampled_from([1, 16, 256]))
NETS = st.builds(
    lambda image, pool, flat, classes: net(*image, *pool, *flat, classes=classes),
    st.lists(IMAGE_LAYERS | ANY_LAYERS, max_size=7),
    st.lists(st.builds(GlobalAvgPool), max_size=1),
    st.lists(FLAT_LAYERS | ANY_LAYERS, max_size=5),
    st.sampled_from([2, 10]),
)


@pytest.fixture(scope="module", params=PUBLISHED, ids=lambda one: one[0])
def golden(request):
    name, cost_set = request.param
    form = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    networks = [
        Architecture.from_dict({"input_shape": [1, 4096, 4096], "classes": 10, "layers": layers})
        for layers in form["architectures"]
    ]
    return form, networks, cost_set


def test_published_masses(golden):
    form, networks, cost_set = golden
    found = [otmann.masses(one, cost_set).tolist() for one in networks]
    assert found == form["layer_masses"]


@pytest.mark.promise("MAPS-1")
def test_published_distances(golden):
    form, networks, cost_set = golden
    found = otmann.distances(networks, costs=cost_set, normalized=False)
    np.testing.assert_allclose(found, form["distance"], rtol=1e-9, atol=0)


def test_published_distances_per_unit_mass(golden):
    form, networks, cost_set = golden
    found = otmann.distances(networks, networks, costs=cost_set)
    np.testing.assert_allclose(found, form["distance_per_unit_mass"], rtol=0, atol=1e-12)


def by_definition(a, b):
    """Give the normalized default distance as its definition reads, by another solver."""
    groups = {"conv": "conv", "max_pool": "pool", "avg_pool": "pool", "dense": "dense"}
    groups |= {"depthwise_conv": "conv", "global_avg_pool": "pool"}
    convolutions, averages = {"conv", "depthwise_conv"}, {"avg_pool", "global_avg_pool"}

    def nodes(one):
        entering = (one.input_shape, *one.shapes)
        # A global pool counts as an average pool of the image's size.
        layers = [
            (layer.kind, AvgPool(max(shape[1:])) if layer.kind == "global_avg_pool" else layer)
            for layer, shape in zip(one.layers, entering, strict=False)
            if not layer.does_nothing()
        ]
        layers = [("ip", None), *layers, ("dense", None), ("softmax", None), ("op", None)]
        kinds = [kind for kind, _ in layers]
        found = []
        for i, (kind, layer) in enumerate(layers):
            out, into = [len(kinds) - 1 - i], [i]
            for group in ("conv", "pool", "dense"):
                out.append(sum(groups.get(other) == group for other in kinds[i:]))
                into.append(sum(groups.get(other) == group for other in kinds[: i + 1]))
            found.append((kind, layer, np.array(out), np.array(into)))
        return found

    def cost(left, right):
        (kind, x, x_out, x_in), (other, y, y_out, y_in) = left, right
        structure = (np.abs(x_out - y_out).mean() + np.abs(x_in - y_in).mean()) / 2
        if "max_pool" in {kind, other} and {kind, other} & averages:
            return structure + 0.5
        if kind in convolutions and other in convolutions:
            more = 0.25 if kind != other else 0.0
            return structure + 0.1 * 2**0.5 * abs(x.kernel_size - y.kernel_size) ** 0.5 + more
        if "global_avg_pool" in {kind, other} and {kind, other} <= averages:
            return structure + min(0.1 * 2**0.5 * abs(x.size - y.size) ** 0.5, 0.5)
        if kind != other:
            return np.inf
        if kind in {"max_pool", "avg_pool"}:
            return structure + 0.1 * 2**0.5 * abs(x.size - y.size) ** 0.5
        if kind == "dropout":
            return structure + 0.1 * abs(x.rate - y.rate) ** 0.5
        if kind == "activation" and x != y:
            return structure + (0.25 if "relu" in {x.function, y.function} else 0.1)
        return structure

    first, second = nodes(a), nodes(b)
    masses = np.concatenate([otmann.masses(a), otmann.masses(b)])
    costs_of_pairs = np.array([cost(x, y) for x in first for y in second])
    # Unmatched mass costs 1 on either side, so matching a unit of it saves 2 - cost.
    saved = np.where(costs_of_pairs < 2, 2 - costs_of_pairs, 0.0)
    sent = np.kron(np.eye(len(first)), np.ones(len(second)))
    received = np.kron(np.ones(len(first)), np.eye(len(second)))
    best = linprog(-saved, np.vstack([sent, received]), masses / masses.sum())
    assert best.success
    return 1 + best.fun


@settings(max_examples=50, deadline=None)
@given(NETS, NETS)
def test_the_default_is_what_its_definition_says(a, b):
    assert otmann.distances([a], [b])[0, 0] == pytest.approx(by_definition(a, b), abs=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        # One node differs, with a mass of 1 channel or, for a conv, of 1 x 16.
        (net(Activation("relu")), net(Activation("tanh")), 0.25),
        (net(Activation("relu")), net(Activation("sigmoid")), 0.25),
        (net(Activation("tanh")), net(Activation("sigmoid")), 0.1),
        (net(Dropout(0.25)), net(Dropout(0.5)), 0.1 * 0.25**0.5),
        (net(MaxPool(2)), net(AvgPool(2)), 0.5),
        (net(MaxPool(2)), net(AvgPool(5)), 0.5),
        (net(MaxPool(2)), net(MaxPool(5)), 0.1 * 2**0.5 * 3**0.5),
        (net(AvgPool(2)), net(AvgPool(3)), 0.1 * 2**0.5),
        (net(Conv(16, 3)), net(Conv(16, 5)), 16 * 0.2),
        # What cannot be matched stays unmatched on both sides.
        (net(Activation("relu")), net(Dropout(0.25)), 2.0),
    ],
)
def test_the_default_costs(a, b, distance):
    found = otmann.distances([a], [b], normalized=False)
    assert found[0, 0] == pytest.approx(distance, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.lists(NETS, min_size=1, max_size=4), st.booleans())
@pytest.mark.promise("MAPS-1")
def test_symmetric_zero_on_itself_and_within_the_unit_interval(networks, normalized):
    found = otmann.distances(networks, normalized=normalized)
    assert np.array_equal(found, found.T)
    assert not np.diagonal(found).any()
    assert (found >= 0).all()
    assert not normalized or (found <= 1).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(NETS, min_size=2, max_size=5), st.data())
def test_a_distance_does_not_depend_on_what_else_is_measured(networks, data):
    whole = otmann.distances(networks)
    i = data.draw(st.integers(0, len(networks) - 1))
    assert np.array_equal(otmann.distances([networks[i]], networks)[0], whole[i])
    assert np.array_equal(otmann.distances(networks, [networks[i]])[:, 0], whole[i])


@settings(max_examples=50, deadline=None)
@given(NETS)
def test_a_copy_and_a_network_of_the_same_identity_are_at_distance_zero(one):
    padded = Architecture((3, 4096, 4096), one.classes, (MaxPool(1, 1), *one.layers, Dropout(0.0)))
    copy = Architecture.from_dict(one.to_dict())
    assert otmann.distances([one, copy], [padded]).tolist() == [[0.0], [0.0]]


def drawn(seed, count, most):
    """Draw networks of up to ``most`` layers, more like each other in kind than people draw."""
    rng = Random(seed)
    some = [Conv(16, 1), Conv(17, 3), Conv(128, 9), MaxPool(2), MaxPool(3), AvgPool(5)]
    some += [Activation("relu"), Activation("tanh"), Activation("sigmoid"), Dropout(0.5)]
    flat = [Dense(1), Dense(64), Dense(100)]
    layers = [
        (*rng.choices(some, k=rng.randint(0, most)), *rng.choices(flat, k=rng.randint(0, 4)))
        for _ in range(count)
    ]
    return [Architecture((1, 2**16, 2**16), 10, one) for one in layers]


def deep(count, layers):
    # Nothing here makes the image smaller.
    rng = Random(1)
    some = [Conv(16, 1), Conv(24, 1), MaxPool(1, 1), Activation("relu"), Activation("tanh")]
    return [net(*rng.choices(some, k=layers), Dense(64)) for _ in range(count)]


@pytest.mark.parametrize(
    "networks", [drawn(6, 30, 6), [*drawn(0, 20, 14), *deep(6, 60)]], ids=["short", "deep"]
)
@pytest.mark.promise("MAPS-1")
def test_the_distances_are_those_of_another_solver(networks):
    found = otmann.distances(networks)
    np.testing.assert_allclose(found, plain_distances(networks, DEFAULT), rtol=0, atol=1e-12)


def test_networks_that_are_prepared_have_the_same_distances(architectures):
    few = architectures[:20]
    found = otmann.distances(few)
    together = Networks.of(few[:12]).plus(Networks.of(few[12:]))
    assert len(together) == 20
    for one in (Networks.of(few), together, [otmann.features(one) for one in few]):
        assert np.array_equal(otmann.distances(one), found)
        assert np.array_equal(otmann.distances(few[3:5], one), found[3:5])


def test_machine_code_gives_the_same_bits(golden, monkeypatch):
    _, networks, costs = golden
    quick = otmann.distances(networks, costs=costs)
    monkeypatch.setattr(otmann, "FEW", len(networks) ** 2)
    monkeypatch.setattr(transport, "is_compiled", lambda: False)
    assert np.array_equal(otmann.distances(networks, costs=costs), quick)


def test_threads_share_the_work_and_change_nothing(architectures):
    alone = otmann.distances(architectures)
    assert np.array_equal(otmann.distances(architectures, threads=3), alone)
    others = otmann.distances(architectures[:7], architectures, threads=2)
    assert np.array_equal(others, alone[:7])
    with pytest.raises(InvalidRequest, match="threads must be at least 1, not 0"):
        otmann.distances(architectures, threads=0)


@pytest.mark.parametrize("given", [otmann.features, lambda *one: Networks.of(one[:1], *one[1:])])
def test_what_was_prepared_under_another_cost_set_is_refused(given):
    other = given(net(), OTMANN_2018)
    with pytest.raises(InvalidRequest, match="under the cost set otmann-2018, not remap"):
        otmann.distances([other] if isinstance(other, otmann.Features) else other)
    if isinstance(other, Networks):
        with pytest.raises(InvalidRequest, match="under the cost set otmann-2018, not remap"):
            Networks.of([net()]).plus(other)


def test_networks_cannot_be_changed_even_after_a_pickle():
    networks = Networks.of([net(Conv(16, 3)), net()])
    again = pickle.loads(pickle.dumps(networks))
    assert np.array_equal(otmann.distances(networks, again), otmann.distances(networks))
    for one in (*networks.arrays, *again.arrays):
        with pytest.raises(ValueError, match="read-only"):
            one[...] = 0


# Each pair differs only in what the distance does not look at.
SAME_BY_DEFAULT = [
    (net(Conv(16, 3)), net(Conv(16, 3, stride=2, padding=1))),
    (net(DepthwiseConv(16, 3)), net(DepthwiseConv(16, 3, padding=1))),
    (net(MaxPool(2)), net(MaxPool(2, stride=1))),
    (net(Dropout(0.0), MaxPool(1, 1)), net()),
    (Architecture((3, 32, 32), 10, (Dense(64),)), Architecture((1, 8, 8), 10, (Dense(64),))),
]
SAME_IN_2018 = [
    (net(MaxPool(2)), net(MaxPool(5))),
    (net(AvgPool(2)), net(AvgPool(5))),
]
SAME_IN_2019 = [
    (net(MaxPool(2)), net(AvgPool(2))),
    (net(Dropout(0.25)), net(Dropout(0.5))),
]


@pytest.mark.parametrize(
    ("pair", "costs"),
    [(pair, DEFAULT) for pair in SAME_BY_DEFAULT]
    + [(pair, OTMANN_2018) for pair in SAME_IN_2018]
    + [(pair, REMAP_2019) for pair in SAME_IN_2019],
)
@pytest.mark.promise("MAPS-6")
def test_what_the_distance_does_not_look_at(pair, costs):
    one, other = pair
    assert one != other
    assert otmann.distances([one], [other], costs=costs).tolist() == [[0.0]]


@settings(max_examples=100, deadline=None)
@given(NETS, NETS)
@pytest.mark.promise("MAPS-6")
def test_only_what_it_does_not_look_at_has_distance_zero(one, other):
    # These networks differ in nothing that the distance does not see.
    apart = otmann.distances([one], [other])[0, 0]
    seen = [[layer for layer in net.layers if not layer.does_nothing()] for net in (one, other)]
    assert (apart == 0) == (seen[0] == seen[1] and one.classes == other.classes)


def triple(networks, normalized):
    found = otmann.distances(networks, normalized=normalized)
    return found[0, 2], found[0, 1] + found[1, 2]


@pytest.mark.promise("MAPS-6")
def test_where_the_triangle_inequality_fails():
    # Average pools of very different sizes are further apart than both are from a max pool.
    pools = [net(AvgPool(2)), net(MaxPool(2)), net(AvgPool(60))]
    for normalized in (True, False):
        straight, detour = triple(pools, normalized)
        assert straight > 1.05 * detour
    # Dividing by the mass of both favours a detour over something heavy.
    heavy = Conv(128, 3), Conv(128, 3)
    first, last = net(heavy[0], Dense(1024), classes=2), (*heavy, Conv(1, 3), Dense(1))
    nets = [first, net(*heavy, Dense(1024), classes=2), net(*last, classes=2)]
    straight, detour = triple(nets, normalized=True)
    assert straight > 1.005 * detour
    straight, detour = triple(nets, normalized=False)
    assert straight <= detour * (1 + 1e-12)


@pytest.mark.promise("MAPS-6")
def test_the_triangle_inequality_holds_among_samples_of_the_paper(structure):
    for middle in range(0, len(structure), 5):
        detours = structure[:, middle, None] + structure[middle]
        assert (structure <= detours + 1e-12).all()


@settings(max_examples=100, deadline=None)
@given(NETS, NETS)
@pytest.mark.promise("MAPS-7")
def test_a_matching_is_the_distance_in_detail(one, other):
    found = matching(one, other)
    masses = [dict(zip(nodes(net), otmann.masses(net), strict=True)) for net in (one, other)]
    sent, received = dict.fromkeys(masses[0], 0.0), dict.fromkeys(masses[1], 0.0)
    for match in found.matches:
        assert match.mass > 0
        sent[match.first] += match.mass
        received[match.second] += match.mass
    sides = [(masses[0], sent, found.first_left), (masses[1], received, found.second_left)]
    for whole, matched, left in sides:
        total = {node: matched[node] + dict(left).get(node, 0.0) for node in whole}
        assert total == pytest.approx(whole, rel=1e-12)
        assert all(mass > 0 for _, mass in left)
    assert found.mass == pytest.approx(sum(map(sum, (masses[0].values(), masses[1].values()))))
    apart = otmann.distances([one], [other])[0, 0]
    assert found.cost / found.mass == pytest.approx(apart, rel=1e-12)
    assert found.cost == otmann.distances([one], [other], normalized=False)[0, 0]
    assert found == matching(one, other)

    turned = matching(other, one)
    assert (turned.cost, turned.mass) == pytest.approx((found.cost, found.mass), rel=1e-15)
    assert (turned.first_left, turned.second_left) == (found.second_left, found.first_left)
    assert {(two.second, two.first, two.mass) for two in turned.matches} == {
        (two.first, two.second, two.mass) for two in found.matches
    }


def nodes(one):
    kept = [index for index, layer in enumerate(one.layers) if not layer.does_nothing()]
    return [-1, *kept, *range(len(one.layers), len(one.layers) + 3)]


def test_a_matching_names_the_layers_as_they_are_counted():
    found = matching(net(Dropout(0.0), Conv(16, 3), MaxPool(2)), net(MaxPool(2)))
    # The dropout does nothing, but counts; the convolution has nothing that it could go to.
    assert [(match.first, match.second, match.mass) for match in found.matches] == [
        (-1, -1, 100.0),
        (2, 0, 1.0),
        (3, 1, 1.0),
        (4, 2, 100.0),
        (5, 3, 100.0),
    ]
    assert found.first_left == ((1, 16.0), (2, 15.0), (3, 15.0))
    assert found.second_left == ()


def test_a_network_is_matched_with_itself_layer_by_layer():
    one = net(Conv(16, 3), Activation("relu"), Conv(16, 3), Activation("relu"))
    found = matching(one, one)
    assert [(match.first, match.second) for match in found.matches] == [(n, n) for n in nodes(one)]
    assert (found.cost, found.first_left, found.second_left) == (0.0, (), ())


def test_no_architectures_give_an_empty_matrix():
    assert otmann.distances([]).shape == (0, 0)
    assert otmann.distances([], [net()]).shape == (0, 1)
    assert otmann.distances([net()], []).shape == (1, 0)


def test_masses_do_not_see_the_channels_and_the_size_of_the_image():
    layers = (Conv(16, 3), MaxPool(2), Activation("relu"), Dropout(0.5), Dense(64))
    expected = [1 * 16, 16, 16, 16, 0.1 * 16 * 64, 0.1 * 64 * 10]
    for shape in [(1, 28, 28), (3, 64, 64)]:
        assert otmann.masses(Architecture(shape, 10, layers)).tolist() == [
            100.0,
            *expected,
            100.0,
            100.0,
        ]


def test_the_widest_networks_have_exact_distances_too():
    # Their masses are beyond the solver's absolute tolerance.
    wide = [net(*[Conv(65_521 - 7 * i, 3)] * 6, Dense(65_536 - i)) for i in range(6)]
    found = otmann.distances(wide)
    for i, one in enumerate(wide):
        for j, other in enumerate(wide):
            assert found[i, j] == pytest.approx(by_definition(one, other), abs=1e-9)


def test_the_default_knows_every_kind():
    assert {one.kind for one in DEFAULT.kinds} == set(KINDS)


def test_the_masses_of_the_further_kinds():
    one = net(Conv(8, 3), DepthwiseConv(16, 5), BatchNorm(), GlobalAvgPool(), Dense(4))
    assert otmann.masses(one)[1:-2].tolist() == [8, 8 * 25 / 9 + 8 * 16, 16, 16, 6.4, 4.0]


def test_label_costs_are_symmetric():
    labels = [("max_pool", 2), ("avg_pool", 3), ("conv", 1), ("conv", 5), ("activation", "tanh")]
    labels += [("activation", "relu"), ("depthwise_conv", 3)]
    labels += [
        ("global_avg_pool", 7),
        ("batch_norm", None),
        ("dropout", 0.5),
        ("ip", None),
        ("op", None),
    ]
    for a in labels:
        for b in labels:
            assert DEFAULT.label_cost(a, b) == DEFAULT.label_cost(b, a)


def test_a_kind_that_a_published_set_does_not_know_is_refused():
    with pytest.raises(InvalidRequest, match=r"otmann-2018 knows no dropout.*DEFAULT"):
        otmann.distances([net(Dropout(0.5))], costs=OTMANN_2018)


def test_a_size_that_a_published_set_does_not_list_is_refused():
    with pytest.raises(InvalidRequest, match=r"remap-2019 has no costs for Conv\(8, 7x7\)"):
        otmann.distances([net(Conv(8, 7))], costs=REMAP_2019)


def test_cost_sets_are_frozen_values():
    with pytest.raises(AttributeError):
        DEFAULT.end_least = 1.0
    assert hash(DEFAULT) != hash(OTMANN_2018)
    assert not otmann.masses(net()).flags.writeable


def test_a_solver_that_gives_up_is_an_error(monkeypatch):
    monkeypatch.setattr(transport, "MOST_PATHS", 0)
    networks = [net(Conv(16, 3), Conv(32, 5)), net(Conv(8, 1), Conv(8, 3), Dense(64))]
    with pytest.raises(otmann.Unsolved, match="please report them"):
        otmann.distances(networks)
    with pytest.raises(otmann.Unsolved):
        matching(*networks)


@pytest.mark.parametrize("costs", [DEFAULT, OTMANN_2018, REMAP_2019], ids=lambda one: one.name)
def test_the_table_says_what_the_cost_set_says(costs):
    labels = [("ip", None), ("softmax", None), ("op", None)]
    for kind in costs.kinds:
        if kind.rule is None:
            labels.append((kind.label, None))
        elif hasattr(kind.rule, "values"):
            labels += [(kind.label, value) for value in kind.rule.values]
        else:
            labels += [(kind.label, value) for value in (1, 2, 7, 60)]
    table = Table.of(costs)
    base, factor, cap = table.arrays
    for a, b in itertools.product(labels, repeat=2):
        (x, value), (y, other) = table.code(a), table.code(b)
        found = base[x, y] + min(cap[x, y], factor[x, y] * abs(value - other) ** 0.5)
        said = costs.label_cost(a, b)
        assert found == pytest.approx(said) if said < transport.NEVER else found >= transport.NEVER
        if said < transport.NEVER:
            assert table.blocks[x] == table.blocks[y]
    # Kinds that share a label are one kind, so they count in the same group.
    groups = {(kind.label, kind.group) for kind in costs.kinds}
    assert len(groups) == len({label for label, _ in groups})


def run_alone(code, **environment):
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | environment)


def test_few_pairs_need_no_compiler_and_no_large_library():
    run_alone("""
import sys
from remap_ray.projection import columns, mds, neighbours, otmann, predictions
from remap_ray.space import Architecture, Dense
few = [Architecture((1, 8, 8), 10, (Dense(units),)) for units in range(1, 17)]
layout = mds.Layout.fit(otmann.distances(few), 0)
assert otmann.matching(*few[:2]).cost > 0
large = {"numba", "scipy", "sklearn", "ot", "torch", "ray", "pandas"}
assert not large & sys.modules.keys(), large & sys.modules.keys()
""")


MANY = """
from remap_ray.projection import otmann
from remap_ray.space import Architecture, Dense
many = [Architecture((1, 8, 8), 10, (Dense(units),)) for units in range(1, 41)]
found = otmann.distances(many)
assert found[0].tolist() == otmann.distances(many[:1], many)[0].tolist()
"""


@pytest.mark.slow
def test_the_compiler_does_without_a_place_for_its_code():
    # As where package and home are read-only: numba finds no directory to write to.
    run_alone("from numba.core import caching; caching.CacheImpl._locator_classes = []" + MANY)


@pytest.mark.slow
def test_the_compiler_does_with_a_full_disk(tmp_path):
    # No file can grow: that is as near to a full disk as a test comes.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    run_alone(limit + MANY, NUMBA_CACHE_DIR=str(tmp_path))


@pytest.mark.slow
def test_the_machine_code_is_kept(tmp_path):
    run_alone(MANY, NUMBA_CACHE_DIR=str(tmp_path))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    assert len(kept) == 1
    run_alone(MANY, NUMBA_CACHE_DIR=str(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")} == kept
