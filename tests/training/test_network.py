"""The network that PyTorch makes of an architecture is the one that the space describes."""

from math import prod
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from remap_ray.errors import InvalidArchitecture
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
    Space,
    sample,
)
from remap_ray.space.layers import KINDS
from remap_ray.training.checkpoint import load_weights, save_weights
from remap_ray.training.network import build
from tests.laws import law

ISSUE = Architecture.from_dict(
    {
        "input_shape": [1, 28, 28],
        "classes": 10,
        "layers": [
            {"kind": "conv", "filters": 16, "kernel_size": 3},
            {"kind": "activation", "function": "relu"},
            {"kind": "max_pool", "size": 2},
            {"kind": "avg_pool", "size": 3},
            {"kind": "dropout", "rate": 0.25},
            {"kind": "dense", "units": 64},
        ],
    }
)

elementwise = st.one_of(
    st.builds(Activation, st.sampled_from(["relu", "tanh", "sigmoid"])),
    st.builds(Dropout, st.floats(0, 0.9)),
    st.builds(BatchNorm),
)
small = st.integers(1, 4)
windows = st.one_of(
    st.builds(Conv, small, st.integers(1, 5), small, st.integers(0, 3)),
    st.builds(DepthwiseConv, small, st.integers(1, 5), small, st.integers(0, 3)),
    st.builds(MaxPool, st.integers(1, 5), small),
    st.builds(AvgPool, st.integers(1, 5), small),
)
dense = st.builds(Dense, st.integers(1, 20))
input_shapes = st.tuples(st.integers(1, 3), st.integers(1, 14), st.integers(1, 14))


@st.composite
def architectures(draw):
    """Draw any possible architecture: a window is kept where the image has room for it."""
    shape = draw(input_shapes)
    layers = []
    for layer in draw(st.lists(st.one_of(windows, elementwise), max_size=6)):
        try:
            Architecture(shape, 2, (*layers, layer))
        except InvalidArchitecture:
            continue
        layers.append(layer)
    if draw(st.booleans()):
        layers.append(GlobalAvgPool())
    layers += draw(st.lists(st.one_of(dense, elementwise), max_size=3))
    return Architecture(shape, draw(st.integers(2, 12)), tuple(layers))


def agree(architecture):
    """Compare what the space says of an architecture with what PyTorch does."""
    network = build(architecture, seed=0).eval()
    assert sum(one.numel() for one in network.parameters()) == architecture.parameter_count

    seen = {}
    for name, module in network.named_children():
        module.register_forward_hook(
            lambda _, __, out, name=name: seen.update({name: tuple(out.shape[1:])})
        )
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *architecture.input_shape))
    assert counter.get_total_flops() == architecture.flops
    seen.pop("flatten", None)
    assert seen.pop("output") == (architecture.classes,)
    assert seen == {str(index): shape for index, shape in enumerate(architecture.shapes)}


@law(40)
@given(architectures())
@pytest.mark.promise("SPACE-18")
def test_the_cost_is_known_before(architecture):
    network = build(architecture, seed=0).eval()
    left = []
    for module in network.modules():
        if not isinstance(module, nn.Sequential | nn.Flatten):
            module.register_forward_hook(lambda _, __, out: left.append(out[0].nbytes))
    with torch.no_grad():
        network(torch.zeros(2, *architecture.input_shape))
    assert architecture.cost.activation_bytes == sum(left)
    saved = save_weights(network, architecture, 1)
    header = int.from_bytes(saved[:8], "little")
    assert len(saved) - 8 - header == architecture.cost.weights_bytes
    again = load_weights(architecture, saved)
    assert all(
        torch.equal(one, two)
        for one, two in zip(network.state_dict().values(), again.state_dict().values(), strict=True)
    )


@law(60)
@given(architectures())
@pytest.mark.promise("SPACE-1")
def test_any_architecture_has_the_parameters_shapes_and_flops_that_the_space_says(architecture):
    agree(architecture)


@pytest.mark.parametrize("input_shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8)])
def test_sampled_architectures_have_the_parameters_shapes_and_flops_that_the_space_says(
    input_shape,
):
    drawn = sample(Space.named("paper"), Random(7), input_shape, 10)
    for _ in range(25):
        agree(next(drawn))


@law()
@given(architectures(), windows)
@pytest.mark.promise("SPACE-2")
def test_a_window_that_the_space_refuses_is_refused_by_torch(architecture, window):
    shape = (architecture.input_shape, *architecture.shapes)[-1]
    if len(shape) == 1:
        with pytest.raises(InvalidArchitecture, match="an image is needed, but a Dense or"):
            Architecture(
                architecture.input_shape, architecture.classes, (*architecture.layers, window)
            )
        return
    channels = shape[0]
    by_hand = {
        "conv": lambda: nn.Conv2d(
            channels, window.filters, window.kernel_size, window.stride, window.padding
        ),
        "depthwise_conv": lambda: nn.Conv2d(
            channels, channels, window.kernel_size, window.stride, window.padding, groups=channels
        ),
        "max_pool": lambda: nn.MaxPool2d(window.size, window.stride),
        "avg_pool": lambda: nn.AvgPool2d(window.size, window.stride),
    }[window.kind]()
    try:
        expected = window.output(shape)
    except ValueError:
        with pytest.raises(RuntimeError, match="size"):
            by_hand(torch.zeros(1, *shape))
    else:
        given = tuple(by_hand(torch.zeros(1, *shape)).shape[1:])
        assert given == (
            channels if window.kind == "depthwise_conv" else expected[0],
            *expected[1:],
        )


def test_a_network_has_one_module_per_layer_named_by_its_index():
    children = {name: type(module) for name, module in build(ISSUE).named_children()}
    assert list(children.items()) == [
        ("0", nn.Conv2d),
        ("1", nn.ReLU),
        ("2", nn.MaxPool2d),
        ("3", nn.AvgPool2d),
        ("4", nn.Dropout),
        ("flatten", nn.Flatten),
        ("5", nn.Linear),
        ("output", nn.Linear),
    ]
    more = Architecture((2, 9, 9), 3, (DepthwiseConv(4, 3), BatchNorm(), GlobalAvgPool()))
    children = {name: type(module) for name, module in build(more).named_children()}
    assert list(children.items()) == [
        ("0", nn.Sequential),
        ("1", nn.BatchNorm2d),
        ("2", nn.Sequential),
        ("output", nn.Linear),
    ]
    assert {layer.kind for layer in (*ISSUE.layers, *more.layers)} == set(KINDS)


def test_parameters_are_named_by_the_index_of_their_layer():
    assert list(build(ISSUE).state_dict()) == [
        f"{layer}.{what}" for layer in ("0", "5", "output") for what in ("weight", "bias")
    ]


def test_batch_normalization_is_of_channels_or_of_units():
    network = build(Architecture((2, 9, 9), 3, (BatchNorm(), Dense(4), BatchNorm())))
    assert [type(module) for module in network] == [
        nn.BatchNorm2d, nn.Flatten, nn.Linear, nn.BatchNorm1d, nn.Linear,
    ]  # fmt: skip
    assert [network[0].num_features, network[3].num_features] == [2, 4]


def test_global_pooling_is_the_mean_of_each_channel():
    images = torch.rand(2, 3, 4, 5)
    network = build(Architecture((3, 4, 5), 2, (GlobalAvgPool(),)))
    assert torch.allclose(network[0](images), images.mean((2, 3)))


def test_a_separable_convolution_is_one_kernel_per_channel_then_one_by_one():
    first, second = build(Architecture((3, 9, 9), 2, (DepthwiseConv(5, 3, 2, 1),)))[0]
    assert (first.groups, first.kernel_size, first.stride) == (3, (3, 3), (2, 2))
    assert (second.kernel_size, second.in_channels, second.out_channels) == ((1, 1), 3, 5)
    assert first.bias is not None
    assert second.bias is not None


@pytest.mark.parametrize(
    ("function", "module"), [("relu", nn.ReLU), ("tanh", nn.Tanh), ("sigmoid", nn.Sigmoid)]
)
def test_every_activation_becomes_its_module(function, module):
    network = build(Architecture((1, 2, 2), 2, (Activation(function),)))
    assert isinstance(network[0], module)


def test_dropout_drops_single_elements_while_training_only():
    network = build(Architecture((4, 8, 8), 2, (Dropout(0.5),)))
    dropout, ones = network[0], torch.ones(1, 4, 8, 8)
    assert type(dropout) is nn.Dropout
    assert dropout.p == 0.5
    # Elements, not whole channels: each channel keeps some and loses some.
    assert all(set(channel.unique().tolist()) == {0.0, 2.0} for channel in dropout(ones)[0])
    assert torch.equal(network.eval()[0](ones), ones)


def test_a_network_without_hidden_layers_flattens_into_its_output():
    network = build(Architecture((3, 4, 5), 7, ()))
    assert [type(module) for module in network] == [nn.Flatten, nn.Linear]
    assert network(torch.zeros(2, 3, 4, 5)).shape == (2, 7)


def test_flattening_happens_once_before_the_first_dense_layer():
    network = build(Architecture((1, 4, 4), 3, (Dense(5), Activation("tanh"), Dense(4))))
    assert [name for name, _ in network.named_children()] == ["flatten", "0", "1", "2", "output"]


@pytest.mark.promise("TRAIN-1")
def test_logits_come_out_not_probabilities():
    torch.manual_seed(0)
    logits = build(ISSUE, seed=1).eval()(torch.rand(64, 1, 28, 28))
    assert (logits < 0).any()
    assert not torch.allclose(logits.sum(1), torch.ones(64))


def test_the_seed_fixes_the_weights_and_leaves_the_global_random_state_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = build(ISSUE, seed=1), build(ISSUE, seed=1), build(ISSUE, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(
        torch.equal(one, two)
        for one, two in zip(first.parameters(), again.parameters(), strict=True)
    )
    assert not torch.equal(first[0].weight, other[0].weight)


def test_without_a_seed_the_global_random_state_is_used():
    torch.manual_seed(5)
    first, second = build(ISSUE), build(ISSUE)
    torch.manual_seed(5)
    again = build(ISSUE)
    assert torch.equal(first[0].weight, again[0].weight)
    assert not torch.equal(first[0].weight, second[0].weight)


def test_initialisation_is_that_of_torch():
    torch.manual_seed(3)
    expected = [nn.Conv2d(1, 16, 3), nn.Linear(576, 64), nn.Linear(64, 10)]
    made = [module for module in build(ISSUE, seed=3) if hasattr(module, "weight")]
    for mine, theirs in zip(made, expected, strict=True):
        assert torch.equal(mine.weight, theirs.weight)
        assert torch.equal(mine.bias, theirs.bias)
    assert prod(ISSUE.shapes[4]) == 576


def test_architectures_of_one_identity_start_with_the_same_weights():
    idle = Architecture((1, 4, 4), 3, (Dropout(0.0), Conv(2, 3), MaxPool(1, 1), Dense(4)))
    plain = Architecture((1, 4, 4), 3, (Conv(2, 3), Dense(4)))
    assert idle.identity == plain.identity
    assert all(
        torch.equal(one, two)
        for one, two in zip(build(idle, 9).parameters(), build(plain, 9).parameters(), strict=True)
    )
