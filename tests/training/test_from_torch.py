"""Networks of the literature come in and go out again, with the same outputs."""

from collections import OrderedDict
from random import Random

import pytest
import torch
from hypothesis import assume, given
from torch import nn

from remap_ray import Architecture
from remap_ray.errors import InvalidArchitecture
from remap_ray.space import Space, sample
from remap_ray.training.network import build
from tests.laws import law
from tests.space.drawn import ARCHITECTURES


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def alexnet():
    features = nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2), nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(64, 192, kernel_size=5, padding=2), nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(192, 256, kernel_size=3, padding=1), nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
    )  # fmt: skip
    classifier = nn.Sequential(
        nn.Dropout(p=0.5), nn.Linear(256 * 3 * 3, 128), nn.ReLU(inplace=True),
        nn.Dropout(p=0.5), nn.Linear(128, 64), nn.ReLU(inplace=True), nn.Linear(64, 20),
    )  # fmt: skip
    return nn.Sequential(
        OrderedDict(
            features=features,
            avgpool=nn.AdaptiveAvgPool2d((3, 3)),
            flatten=nn.Flatten(),
            classifier=classifier,
        )
    )


def vgg():
    modules, channels = [], 3
    for width, depth in ((16, 1), (32, 1), (64, 2), (64, 2)):
        for _ in range(depth):
            modules += [nn.Conv2d(channels, width, 3, padding="same"), nn.BatchNorm2d(width)]
            modules.append(nn.ReLU())
            channels = width
        modules.append(nn.MaxPool2d(2, 2))
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32)]
    return nn.Sequential(*modules, *head, nn.ReLU(), nn.Dropout(), nn.Linear(32, 10))


def separable():
    block = nn.Sequential(
        nn.Conv2d(4, 4, 3, 2, 1, groups=4), nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6), nn.ReLU()
    )
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.Identity(), block,
        nn.AdaptiveAvgPool2d(4), nn.Flatten(1), nn.Linear(96, 3),
    )  # fmt: skip


def same_weights(source, target):
    """Copy weights and running figures in order, whatever they are called."""
    theirs, ours = source.state_dict(), target.state_dict()
    assert [one.shape for one in theirs.values()] == [one.shape for one in ours.values()]
    target.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))


@pytest.mark.parametrize(
    ("make", "shape", "text"),
    [
        (
            lenet5,
            (1, 28, 28),
            "conv6x5p2 tanh avg2 conv16x5 tanh avg2 dense120 tanh dense84 tanh",
        ),
        (
            alexnet,
            (3, 127, 127),
            (
                "conv64x11s4p2 relu max3 conv192x5p2 relu max3 conv256x3p1 relu max3 "
                "drop0.5 dense128 relu drop0.5 dense64 relu"
            ),
        ),
        (
            vgg,
            (3, 32, 32),
            (
                "conv16x3p1 batchnorm relu max2 conv32x3p1 batchnorm relu max2 "
                "conv64x3p1 batchnorm relu conv64x3p1 batchnorm relu max2 "
                "conv64x3p1 batchnorm relu conv64x3p1 batchnorm relu max2 "
                "globalavg dense32 batchnorm relu drop0.5"
            ),
        ),
        (separable, (2, 16, 16), "conv4x3p1 depthwise6x3s2p1 batchnorm relu avg2 dense"),
    ],
)
@pytest.mark.promise("SPACE-17")
def test_networks_of_the_literature_come_in_and_go_out(make, shape, text):
    torch.manual_seed(1)
    theirs = make()
    one = Architecture.from_torch(theirs, shape)
    assert one.text == text.removesuffix(" dense")
    images = torch.rand(5, *shape)
    theirs.train()(images)  # So that running means are not those that all begin with.
    ours = build(one, seed=2)
    same_weights(theirs, ours)
    with torch.no_grad():
        assert torch.equal(ours.eval()(images), theirs.eval()(images))
    assert one.parameter_count == sum(one.numel() for one in theirs.parameters())


@given(ARCHITECTURES)
@law(40)
@pytest.mark.promise("SPACE-17")
def test_what_is_built_is_read_back(one):
    entering = (one.input_shape, *one.shapes)
    pairs = zip(one.layers, entering, strict=False)
    # Over a single channel a depthwise convolution is an ordinary one.
    assume(not any(layer.kind == "depthwise_conv" and shape[0] == 1 for layer, shape in pairs))
    assert Architecture.from_torch(build(one, seed=0), one.input_shape) == one


@pytest.mark.parametrize("name", ["paper", "modern"])
def test_what_is_sampled_is_read_back(name):
    drawn = sample(Space.named(name), Random(5), (1, 28, 28), 10)
    for _ in range(10):
        one = next(drawn)
        assert Architecture.from_torch(build(one, seed=0), one.input_shape) == one


END = (nn.Flatten(), nn.Linear(128, 2))
LINEAR = nn.Linear(128, 128)


@pytest.mark.parametrize(
    ("modules", "says"),
    [
        ([nn.GELU(), *END], "module 0, GELU: not supported; supported are Conv2d, MaxPool2d"),
        ([nn.ReLU(), nn.Sequential(nn.ReLU(), nn.LSTM(3, 3)), *END], "module 1.1, LSTM: not supp"),
        ([nn.Dropout2d(), *END], "module 0, Dropout2d: not supported"),
        ([nn.Conv2d(2, 3, (3, 5)), *END], r"kernel_size=\(3, 5\) is not supported, only one numb"),
        ([nn.Conv2d(2, 3, 3, stride=(1, 2)), *END], r"module 0, Conv2d: stride=\(1, 2\) is not"),
        ([nn.Conv2d(2, 3, 3, padding=(0, 1)), *END], r"padding=\(0, 1\) is not supported"),
        ([nn.Conv2d(2, 3, 4, padding="same"), *END], "padding='same' is supported only for odd"),
        ([nn.Conv2d(2, 3, 3, dilation=2), *END], r"dilation=\(2, 2\) is not supported, only"),
        ([nn.Conv2d(2, 4, 3, groups=2), *END], "groups=2 is not supported, only 1 or one for"),
        ([nn.Conv2d(2, 2, 3, groups=2), nn.ReLU(), *END], "module 1, ReLU: a depthwise convol"),
        (
            [nn.Conv2d(2, 2, 3, groups=2), nn.Conv2d(2, 2, 3), *END],
            "module 1, Conv2d: a depthwise convolution .* only before a 1x1",
        ),
        ([nn.Conv2d(2, 3, 3, bias=False), *END], "module 0, Conv2d: bias=False is not supported"),
        ([nn.Conv2d(2, 3, 3, padding_mode="reflect"), *END], "padding_mode='reflect' is not sup"),
        ([nn.Conv2d(3, 3, 3), *END], "in_channels is 3, but 2 channels come here"),
        ([nn.MaxPool2d(2, padding=1), *END], "module 0, MaxPool2d: padding=1 is not supported"),
        ([nn.MaxPool2d(3, 2, ceil_mode=True), *END], "ceil_mode=True is not supported"),
        ([nn.AvgPool2d(3, divisor_override=4), *END], "divisor_override=4 is not supported"),
        ([nn.AdaptiveAvgPool2d(3), *END], "output_size=3 of an image of 8x8 is not supported"),
        ([nn.AdaptiveAvgPool2d((None, 1)), *END], r"output_size=\(None, 1\) is not supported"),
        ([nn.BatchNorm2d(2, affine=False), *END], "affine=False is not supported, only True"),
        ([nn.BatchNorm2d(2, eps=1e-3), *END], "eps=0.001 is not supported, only 1e-05"),
        ([nn.BatchNorm2d(3), *END], "num_features is 3, but 2 channels come here"),
        ([nn.Flatten(), nn.BatchNorm1d(128), END[1]], "module 1, BatchNorm1d: supported are"),
        ([nn.Flatten(0), END[1]], "module 0, Flatten: start_dim=0 is not supported, only 1"),
        ([nn.Linear(8, 2)], "module 0, Linear: a Flatten is needed before it"),
        ([nn.Flatten(), nn.Linear(64, 2)], "in_features is 64, but 128 values come here"),
        ([nn.Flatten(), nn.Linear(128, 2, bias=False)], "module 1, Linear: bias=False is not"),
        ([nn.Flatten(), nn.Conv2d(2, 3, 3), END[1]], "module 1, Conv2d: an image is needed"),
        ([nn.Flatten(), nn.MaxPool2d(2), END[1]], "module 1, MaxPool2d: an image is needed"),
        ([nn.Flatten(), nn.AdaptiveAvgPool2d(1), END[1]], "AdaptiveAvgPool2d: an image is"),
        ([nn.Flatten(), LINEAR, nn.ReLU(), LINEAR], "module 3, Linear: its weights are used in"),
        ([*END, nn.Softmax(1)], "module 2, Softmax: not supported"),
        ([*END, nn.ReLU()], "the last module must be the output layer, an nn.Linear"),
        ([], "the last module must be the output layer"),
        ([nn.Flatten()], "the last module must be the output layer"),
        ([nn.MaxPool2d(9), *END], r"layer 0, MaxPool\(9, stride 9\): the image is only 8x8"),
        ([nn.Flatten(), nn.Linear(128, 1)], "classes must be a whole number of at least 2"),
    ],
)
@pytest.mark.promise("SPACE-17")
def test_what_is_not_supported_is_named_with_its_place(modules, says):
    with pytest.raises(InvalidArchitecture, match=says):
        Architecture.from_torch(nn.Sequential(*modules), (2, 8, 8))


def test_one_activation_may_be_called_in_two_places():
    relu = nn.ReLU()
    network = nn.Sequential(relu, nn.Conv2d(2, 3, 3), relu, nn.Flatten(), nn.Linear(108, 2))
    assert Architecture.from_torch(network, (2, 8, 8)).text == "relu conv3x3 relu"


@pytest.mark.parametrize("other", [nn.Linear(3, 2), nn.ModuleList(), None, "conv"])
def test_only_a_sequential_is_read(other):
    with pytest.raises(InvalidArchitecture, match=r"only an nn\.Sequential is read, not"):
        Architecture.from_torch(other, (1, 8, 8))


def test_a_wrong_input_shape_is_refused_first():
    with pytest.raises(InvalidArchitecture, match="input_shape must be three"):
        Architecture.from_torch(lenet5(), (28, 28))


def test_a_separable_convolution_of_one_channel_comes_in_as_the_two_that_it_is():
    network = build(Architecture.from_text("depthwise6x3", (1, 8, 8), 2), seed=0)
    assert Architecture.from_torch(network, (1, 8, 8)).text == "conv1x3 conv6x1"
