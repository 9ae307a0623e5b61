"""Training one network: what it yields, that it can stop and go on, and how it fails."""

import subprocess
import sys
from math import ceil

import numpy as np
import pytest
import torch
from safetensors.torch import load
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from remap_ray.errors import InvalidRequest, TrainingFailed
from remap_ray.recipe import Recipe
from remap_ray.space import Activation, Architecture, BatchNorm, Conv, Dense, Dropout, MaxPool
from remap_ray.training.checkpoint import load_weights
from remap_ray.training.parts import Part
from remap_ray.training.trainer import (
    Checkpoint,
    EpochDone,
    Task,
    Trained,
    prepare,
    train,
)


def never():
    return False


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    held = np.arange(len(images)) % 4 == 3
    return prepare(Part(images[~held], labels[~held]), Part(images[held], labels[held]), "cpu")


def random_part(count, seed, channels=2):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, channels, 6, 6), dtype=np.uint8)
    return Part(images, rng.integers(0, 3, count))


@pytest.fixture(scope="module")
def noise():
    # Batches of 8 leave a last one of a single item, in both parts.
    return prepare(random_part(33, 0), random_part(17, 1), "cpu")


HIDDEN = (Conv(4, 3), Activation("relu"), Dropout(0.25), MaxPool(2), Dropout(0.5), Dense(6))
NET = Architecture((2, 6, 6), 3, HIDDEN)
PLAIN = Architecture((2, 6, 6), 3, (Conv(4, 3), Activation("tanh"), Dense(6)))
RECIPE = Recipe(batch_size=8, learning_rate=0.01)
STILL = Recipe(batch_size=8, learning_rate=1e-20)
"""Its steps are too small to change any weight."""


CALLS = ceil(33 / 8) + ceil(17 / 8)
"""Batches of `noise` in an epoch: of training, then of validation."""


def task(epochs=3, checkpoint=None, architecture=NET, recipe=RECIPE, seed=11):
    return Task(architecture, recipe, seed, epochs, checkpoint)


def figures(events):
    return [
        (one.epoch, one.train_loss, one.train_accuracy, one.validation_loss)
        for one in events
        if isinstance(one, EpochDone)
    ]


def kinds(events):
    return [(type(event).__name__, event.epoch) for event in events]


def stop_at(call):
    """Say stop at the given call, counted from 1, and at every one after it."""
    calls = iter(range(1, 10**6))
    return lambda: next(calls) >= call


# What a training yields.


@pytest.mark.promise("TRAIN-4")
def test_epochs_come_one_by_one_then_a_checkpoint_then_the_outcome(noise):
    events = list(train(task(3), noise, never))
    assert kinds(events) == [
        ("EpochDone", 1),
        ("EpochDone", 2),
        ("EpochDone", 3),
        ("Checkpoint", 3),
        ("Trained", 3),
    ]


@pytest.mark.parametrize("architecture", [NET, PLAIN])
@pytest.mark.promise("TRAIN-2")
def test_validation_is_over_the_whole_part_in_evaluation_mode(noise, architecture):
    *_, epoch, _, trained = train(task(2, architecture=architecture), noise, never)
    network = load_weights(architecture, trained.weights)
    with torch.no_grad():
        logits = network(noise.validation.images)
    labels = noise.validation.labels
    assert epoch.validation_loss == pytest.approx(cross_entropy(logits, labels).item(), rel=1e-6)
    assert trained.predictions.dtype == np.uint8
    np.testing.assert_array_equal(trained.predictions, logits.argmax(1))
    assert epoch.validation_accuracy == np.mean(trained.predictions == labels.numpy())


@pytest.mark.promise("TRAIN-2")
def test_the_training_loss_is_the_mean_per_item_whatever_the_batches(noise):
    epoch, _, trained = train(task(1, None, PLAIN, STILL), noise, never)
    with torch.no_grad():
        logits = load_weights(PLAIN, trained.weights)(noise.train.images)
    labels = noise.train.labels
    assert epoch.train_loss == pytest.approx(cross_entropy(logits, labels).item(), rel=1e-6)
    assert epoch.train_accuracy == (logits.argmax(1) == labels).double().mean().item()


def test_training_figures_are_measured_with_dropout_and_validation_without():
    part = random_part(64, 5)
    same = prepare(part, part, "cpu")
    architecture = Architecture((2, 6, 6), 3, (Dropout(0.9),))
    epoch, *_ = train(task(1, None, architecture, STILL), same, never)
    assert epoch.train_loss > epoch.validation_loss * 1.01


@pytest.mark.promise("TRAIN-3")
def test_the_weights_start_as_the_seed_says(noise):
    first, again, other = (
        list(train(task(1, None, PLAIN, STILL, seed), noise, never))[-1].weights
        for seed in (1, 1, -(2**70))
    )
    assert first == again
    assert not torch.equal(load(first)["0.weight"], load(other)["0.weight"])


def test_the_learning_rate_is_the_recipes_of_each_epoch(noise):
    # A decay of almost nothing leaves the second epoch no step to go.
    recipe = Recipe(batch_size=8, learning_rate=0.01, decay=1e-20)
    one = list(train(task(1, None, PLAIN, recipe), noise, never))[-1]
    two = list(train(task(2, None, PLAIN, recipe), noise, never))[-1]
    assert load(one.weights)["0.weight"].equal(load(two.weights)["0.weight"])
    started = list(train(task(1, None, PLAIN, STILL), noise, never))[-1]
    moved = load(one.weights)["output.bias"] - load(started.weights)["output.bias"]
    # Adam's steps are each at most about the rate long: five batches of 0.01.
    assert 0.005 < moved.abs().max() < 0.06


def test_every_epoch_sees_every_item_once_in_an_order_of_its_own(noise):
    seen = []
    expected = noise.train.images.sum((1, 2, 3))

    def record(module, args):
        if module.training:
            seen.append(args[0].sum((1, 2, 3)))

    handle = torch.nn.modules.module.register_module_forward_pre_hook(
        lambda module, args: record(module, args) if type(module).__name__ == "Conv2d" else None
    )
    try:
        list(train(task(2), noise, never))
    finally:
        handle.remove()
    assert [len(one) for one in seen] == [8, 8, 8, 8, 1] * 2
    first, second = torch.cat(seen[:5]), torch.cat(seen[5:])
    torch.testing.assert_close(first.sort().values, expected.sort().values)
    torch.testing.assert_close(second.sort().values, expected.sort().values)
    assert not torch.allclose(first, expected)
    assert not torch.allclose(first, second)


def test_batch_normalization_never_sees_a_single_item(noise):
    seen = []
    architecture = Architecture((2, 6, 6), 3, (BatchNorm(), Dense(6), BatchNorm()))

    def record(module, args):
        if module.training and type(module).__name__ == "BatchNorm1d":
            seen.append(len(args[0]))

    handle = torch.nn.modules.module.register_module_forward_pre_hook(record)
    try:
        list(train(task(2, architecture=architecture), noise, never))
    finally:
        handle.remove()
    assert seen == [8, 8, 8, 9] * 2


def test_running_figures_go_on_after_a_stop(noise):
    architecture = Architecture((2, 6, 6), 3, (Conv(4, 3), BatchNorm(), Dense(6), BatchNorm()))
    *_, whole = train(task(3, architecture=architecture), noise, never)
    *_, checkpoint, _ = train(task(1, architecture=architecture), noise, never)
    rest = train(task(3, checkpoint.data, architecture), noise, never)
    *_, resumed = rest
    assert resumed.weights == whole.weights


def test_convolutions_and_what_they_see_are_channels_last(noise):
    formats = []

    def record(module, args):
        if type(module).__name__ == "Conv2d":
            formats.append(
                args[0].is_contiguous(memory_format=torch.channels_last)
                and module.weight.is_contiguous(memory_format=torch.channels_last)
            )

    handle = torch.nn.modules.module.register_module_forward_pre_hook(record)
    try:
        list(train(task(1), noise, never))
    finally:
        handle.remove()
    assert formats == [True] * CALLS


def test_seconds_are_those_of_training_and_validation(noise):
    now = [0.0]

    def clock():
        return now[0]

    def slow():
        now[0] += 0.5
        return False

    seconds = []
    for event in train(task(2), noise, slow, clock):
        now[0] += 100
        if isinstance(event, EpochDone):
            seconds.append(event.seconds)
    assert seconds == [0.5 * CALLS] * 2


def test_a_checkpoint_comes_after_an_epoch_when_enough_time_has_passed(noise):
    now = [0.0]
    events = []
    for event in train(task(6), noise, never, lambda: now[0], checkpoint_seconds=10.0):
        events.append(event)
        if isinstance(event, EpochDone):
            now[0] += 4
    assert kinds(events) == [
        ("EpochDone", 1),
        ("EpochDone", 2),
        ("EpochDone", 3),
        ("Checkpoint", 3),
        ("EpochDone", 4),
        ("EpochDone", 5),
        ("EpochDone", 6),
        ("Checkpoint", 6),
        ("Trained", 6),
    ]


def test_a_task_needs_an_epoch():
    with pytest.raises(InvalidRequest, match="at least 1 epoch"):
        task(0)


# That it depends on the seed alone.


def test_nothing_depends_on_the_global_random_state_or_changes_it(noise):
    torch.manual_seed(1)
    quiet = list(train(task(2), noise, never))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    loud = []
    for event in train(task(2), noise, never):
        assert torch.equal(torch.get_rng_state(), before)
        loud.append(event)
        torch.rand(3)
        before = torch.get_rng_state()
    assert figures(quiet) == figures(loud)
    assert quiet[-1].weights == loud[-1].weights


def test_another_seed_is_another_training(noise):
    one, other = (list(train(task(1, seed=seed), noise, never)) for seed in (1, 2))
    assert figures(one) != figures(other)


# That it stops, and goes on.


@pytest.mark.promise("TRAIN-7")
def test_stop_is_asked_before_every_batch_of_training_and_validation(noise):
    calls = []
    list(train(task(2), noise, lambda: bool(calls.append(1))))
    assert len(calls) == 2 * CALLS


@pytest.mark.parametrize("call", [1, 3, 6, CALLS, CALLS + 1, CALLS + 6, 2 * CALLS + 1])
@pytest.mark.promise("TRAIN-3")
def test_a_stopped_training_goes_on_as_if_it_had_not_been(noise, call):
    straight = list(train(task(3), noise, never))
    before = list(train(task(3), noise, stop_at(call)))
    done = (call - 1) // CALLS
    assert kinds(before) == [
        *(("EpochDone", epoch) for epoch in range(1, done + 1)),
        *([("Checkpoint", done)] if done else []),
        ("Stopped", done),
    ]
    checkpoint = before[-2].data if done else None
    after = list(train(task(3, checkpoint), noise, never))
    assert figures(before) + figures(after) == figures(straight)
    assert straight[-1].weights == after[-1].weights
    assert straight[-2].data == after[-2].data
    np.testing.assert_array_equal(straight[-1].predictions, after[-1].predictions)


def test_a_checkpoint_is_not_sent_twice(noise):
    events = list(train(task(2), noise, stop_at(CALLS + 2), checkpoint_seconds=0))
    assert kinds(events) == [("EpochDone", 1), ("Checkpoint", 1), ("Stopped", 1)]
    again = list(train(task(2, events[1].data), noise, stop_at(2)))
    assert kinds(again) == [("Stopped", 1)]
    whole = list(train(task(1), noise, never, checkpoint_seconds=0))
    assert kinds(whole) == [("EpochDone", 1), ("Checkpoint", 1), ("Trained", 1)]


def test_a_stop_after_the_last_batch_comes_too_late(noise):
    assert isinstance(list(train(task(1), noise, stop_at(CALLS + 1)))[-1], Trained)


def test_a_trained_model_can_train_longer(noise):
    *_, checkpoint, short = train(task(2), noise, never)
    longer = list(train(task(4, checkpoint.data), noise, never))
    straight = list(train(task(4), noise, never))
    assert kinds(longer) == [
        ("EpochDone", 3),
        ("EpochDone", 4),
        ("Checkpoint", 4),
        ("Trained", 4),
    ]
    assert figures(longer) == figures(straight)[2:]
    assert longer[-1].weights == straight[-1].weights != short.weights


def test_a_complete_checkpoint_gives_its_outcome_at_once(noise):
    *_, checkpoint, trained = train(task(2), noise, never)
    for epochs in (1, 2):
        (again,) = train(task(epochs, checkpoint.data), noise, never)
        assert isinstance(again, Trained)
        assert again.epoch == 2
        assert again.weights == trained.weights
        np.testing.assert_array_equal(again.predictions, trained.predictions)
    assert kinds(train(task(2, checkpoint.data), noise, stop_at(2))) == [("Stopped", 2)]


def test_a_checkpoint_of_another_training_is_refused(noise):
    *_, checkpoint, _ = train(task(1), noise, never)
    assert isinstance(checkpoint, Checkpoint)
    for wrong in (
        task(2, checkpoint.data, seed=12),
        task(2, checkpoint.data, architecture=PLAIN),
        task(2, checkpoint.data[:-1]),
    ):
        with pytest.raises(TrainingFailed, match="cannot go on from the checkpoint"):
            next(train(wrong, noise, never))


# How it fails.


def spoilt(value, part):
    """Prepare random data with one image of the named part spoilt by ``value``."""
    parts = [random_part(33, 0), random_part(17, 1)]
    images = parts[part].images.astype(np.float32)
    images[3] = value
    parts[part] = Part(images, parts[part].labels)
    return prepare(*parts, "cpu")


@pytest.mark.promise("TRAIN-5")
def test_a_loss_that_is_not_a_number_fails_with_epoch_and_rate():
    with pytest.raises(TrainingFailed) as caught:
        list(train(task(2), spoilt(np.nan, 0), never))
    assert caught.value.reason == "loss became not a number in epoch 1 (learning rate 0.01)"
    assert caught.value.epoch == 1


def test_an_infinite_loss_fails():
    # One batch of a linear network: its logits and so its loss pass float32's range.
    recipe = Recipe(batch_size=64, learning_rate=0.001)
    linear = Architecture((2, 6, 6), 3, ())
    rng = np.random.default_rng(0)
    images = rng.choice(np.float32([-3e38, 3e38]), (8, 2, 6, 6))
    huge = prepare(Part(images, np.arange(8) % 3), random_part(5, 1), "cpu")
    with pytest.raises(TrainingFailed, match=r"loss became (infinite|not a number) in epoch 1 "):
        list(train(task(1, None, linear, recipe), huge, never))


def test_a_validation_loss_that_is_not_finite_fails():
    with pytest.raises(TrainingFailed) as caught:
        list(train(task(2), spoilt(np.nan, 1), never))
    assert caught.value.reason.startswith("validation loss became not a number in epoch 1 ")


def test_a_training_that_diverges_fails_in_its_epoch_and_keeps_those_before(noise):
    deep = Architecture((2, 6, 6), 3, (Dense(16), Dense(16), Dense(16), Dense(16)))
    recipe = Recipe(batch_size=8, learning_rate=1.0, decay=999.0)
    events = []
    with pytest.raises(TrainingFailed) as caught:
        events.extend(train(task(30, None, deep, recipe), noise, never))
    assert 1 <= len(events) < 30
    failed = len(events) + 1
    assert caught.value.epoch == failed
    assert f"in epoch {failed} (learning rate {recipe.rate(failed):g})" in caught.value.reason


def test_a_diverged_epoch_is_cut_short():
    # 40 batches, the first of them lost, and the loss looked at again after 32.
    images = np.full((320, 2, 6, 6), np.nan, np.float32)
    lost = prepare(Part(images, np.arange(320) % 3), random_part(5, 1), "cpu")
    calls = []
    with pytest.raises(TrainingFailed, match="not a number"):
        list(train(task(1), lost, lambda: bool(calls.append(1))))
    assert len(calls) == 1


def test_data_that_does_not_fit_the_network_is_refused(noise):
    for wrong, reason in (
        (Architecture((1, 6, 6), 3, ()), r"takes images of shape \(1, 6, 6\), the data has"),
        (Architecture((2, 6, 6), 2, ()), "2 classes; the data needs 3, and 256 are the most"),
        (Architecture((2, 6, 6), 257, ()), "257 classes; the data needs 3, and 256"),
    ):
        with pytest.raises(TrainingFailed, match=reason) as caught:
            next(train(task(architecture=wrong), noise, never))
        assert caught.value.epoch is None


def test_a_network_beyond_this_machine_is_refused_before_it_is_built():
    # 862 TB of weights: beyond the address space, should the check ever be lost.
    large = Architecture((1, 224, 224), 10, (Conv(65536, 1), Dense(65536)))
    part = Part(np.zeros((1, 1, 224, 224), np.uint8), np.zeros(1, np.int64))
    with pytest.raises(TrainingFailed, match=r"GB of memory to train .* use fewer parameters"):
        next(train(task(architecture=large), prepare(part, part, "cpu"), never))


SCARCE = """
import gc, resource, sys
from pathlib import Path
import numpy as np, torch
from remap_ray.errors import TrainingFailed
from remap_ray.recipe import Recipe
from remap_ray.space import Activation, Architecture, Conv, Dense
from remap_ray.training.parts import Part
from remap_ray.training.trainer import Task, Trained, prepare, train

torch.set_num_threads(1)
part = Part(np.zeros((256, 1, 48, 48), np.uint8), np.arange(256) % 2)
data = prepare(part, part, "cpu")
def last(architecture):
    *_, event = train(Task(architecture, Recipe(), 0, 1), data, lambda: False)
    return event
small = Architecture((1, 48, 48), 2, (Conv(2, 3), Activation("relu"), Dense(4)))
last(small)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 400 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
LARGE
try:
    last(large)
except TrainingFailed as error:
    print(error.epoch, error.reason)
    # While the error is still held, the next network fits.
    assert isinstance(last(small), Trained)
"""

WIDE = "(Conv(64, 3), Activation('tanh')) * 4"
"""Some 250 MB of activations in each of 8 layers."""

HEAVY = "(Dense(20000), Dense(20000))"
"""1.6 GB of weights, granted or not as they are made."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
@pytest.mark.parametrize("layers", [WIDE, HEAVY])
@pytest.mark.promise("TRAIN-5")
def test_memory_that_runs_out_fails_the_model_and_not_the_next(layers):
    large = f"large = Architecture((1, 48, 48), 2, {layers})"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCARCE.replace("LARGE", large)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("1 the memory of the machine ran out ("), run.stdout
    assert "use fewer parameters or a smaller batch" in run.stdout


# That it learns.


def test_a_small_convolutional_network_learns_digits(digits):
    layers = (Conv(16, 3), Activation("relu"), Dropout(0.125), Dense(64))
    architecture = Architecture((1, 8, 8), 10, (*layers, Activation("relu")))
    recipe = Recipe(batch_size=32)
    events = list(train(Task(architecture, recipe, 0, recipe.epochs), digits, never))
    epochs = [event for event in events if isinstance(event, EpochDone)]
    assert [one.epoch for one in epochs] == list(range(1, 11))
    assert epochs[-1].validation_accuracy > 0.9
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert isinstance(events[-1], Trained)
    assert np.mean(events[-1].predictions == digits.validation.labels.numpy()) > 0.9


# Early stopping.


@pytest.mark.promise("TRAIN-8")
def test_a_training_ends_once_it_has_stalled_and_goes_on_as_it_was(noise):
    # No loss falls by so much twice: the first epoch is the only gain.
    recipe = Recipe(batch_size=8, learning_rate=0.01, patience=2, least_gain=20.0)
    whole = list(train(task(9, recipe=recipe), noise, never))
    assert kinds(whole)[-3:] == [("EpochDone", 3), ("Checkpoint", 3), ("Trained", 3)]
    assert whole[-1].early
    losses = tuple(one.validation_loss for one in whole if isinstance(one, EpochDone))
    # One that was interrupted knows the losses of the epochs before.
    part = list(train(task(2, recipe=recipe), noise, never))
    assert not part[-1].early
    resumed = Task(NET, recipe, 11, 9, part[-2].data, losses[:2])
    rest = list(train(resumed, noise, never))
    assert kinds(rest) == [("EpochDone", 3), ("Checkpoint", 3), ("Trained", 3)]
    assert rest[-1].weights == whole[-1].weights
    # So does one that was interrupted when all was said but its outcome.
    ended = list(train(Task(NET, recipe, 11, 9, whole[-2].data, losses), noise, never))
    assert kinds(ended) == [("Trained", 3)]
    assert ended[0].early
    np.testing.assert_array_equal(ended[0].predictions, whole[-1].predictions)
    to_the_end = Task(NET, recipe, 11, 5, whole[-2].data, losses, stops_early=False)
    longer = list(train(to_the_end, noise, never))
    assert kinds(longer)[-1] == ("Trained", 5)
    assert not longer[-1].early
