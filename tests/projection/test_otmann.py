import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from remap_ray.errors import InvalidRequest
from remap_ray.projection import otmann, transport
from remap_ray.projection.otmann import DEFAULT, OTMANN_2018, REMAP_2019
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


def test_networks_of_equal_features_are_solved_once(monkeypatch):
    solved = []
    solve = transport.least_cost
    monkeypatch.setattr(
        transport, "least_cost", lambda *problem: solved.append(1) or solve(*problem)
    )
    networks = [net(), net(Dense(16)), net(Conv(16, 3)), net(MaxPool(2))]
    found = otmann.distances(networks * 3)
    assert len(solved) == 4 * 3 / 2
    assert np.array_equal(found, np.tile(found[:4, :4], (3, 3)))


def test_features_stand_for_their_architectures(architectures):
    prepared = [otmann.features(one) for one in architectures[:5]]
    assert np.array_equal(otmann.distances(prepared), otmann.distances(architectures[:5]))


def test_features_of_another_cost_set_are_refused():
    with pytest.raises(InvalidRequest, match="under the cost set otmann-2018, not remap"):
        otmann.distances([otmann.features(net(), OTMANN_2018)])


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
    monkeypatch.setattr(transport, "MOST_PIVOTS", 1)
    networks = [net(Conv(16, 3), Conv(32, 5), MaxPool(2)), net(MaxPool(2), Conv(8, 1), Dense(64))]
    with pytest.raises(transport.UnsolvedTransport, match="ran out of pivots") as caught:
        otmann.distances(networks)
    assert caught.value.code == 3


@pytest.mark.slow
def test_measuring_loads_no_torch_and_leaves_the_environment_alone():
    code = """
import os, sys
before = dict(os.environ)
from remap_ray.projection import otmann
from remap_ray.space import Architecture, Dense
otmann.distances([Architecture((1, 8, 8), 10, layers) for layers in ((), (Dense(16),))])
assert "ot" in sys.modules
assert "torch" not in sys.modules
assert dict(os.environ) == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)
