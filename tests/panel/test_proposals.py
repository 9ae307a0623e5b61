"""What a person is offered, and at what price."""

from __future__ import annotations

from dataclasses import replace

import pytest

from remap_panel.proposals import draw, draw_one, known_of, offer, price, submissions
from remap_panel.settings import Chosen, Settings
from remap_ray.errors import InvalidRequest
from remap_ray.space import Activation, Architecture, Conv, Dense, MaxPool, Space
from remap_ray.space.edit import Remove, apply
from remap_ray.space.edits import handcrafted
from remap_ray.study import Model, Origin, Status, Study, Submission
from remap_ray.study.queue import Pace

SPACE = Space.named("paper")
BASE = Architecture(
    (1, 8, 8), 10, (Conv(16, 3), Activation("relu"), MaxPool(2), Conv(16, 3), Dense(64))
)


@pytest.fixture
def baseline(toy_study: Study) -> Model:
    (number,) = toy_study.submit([Submission(BASE, epochs=6)])
    return toy_study.model(number)


def made(study: Study, baseline: Model, settings: Settings, pace: Pace | None = None, **given):
    models = {one.number: one for one in study.models()}
    return offer(baseline, settings, SPACE, models, known_of(models), pace, 2, **given)


@pytest.mark.promise("PAGE-70")
def test_ablations_are_offered_at_their_price(toy_study: Study, baseline: Model) -> None:
    # One of the children is there already, and one would be no network.
    without = apply(BASE, [Remove(1)]).architecture
    (other,) = toy_study.submit([Submission(without)])
    toy_study.cancel(other)
    pace = Pace(0.5, 1e-5)
    found = made(toy_study, baseline, Settings(), pace)
    assert [one.proposal.words for one in found.children][:2] == [
        "Removed Conv at 0",
        "Removed Activation at 1",
    ]
    assert found.children[1].exists == other
    assert "cancelled: retry it" in found.children[1].proposal.problem
    assert len(found.trained) == 4
    first = found.children[0]
    assert first.more == first.proposal.architecture.parameter_count - baseline.parameters
    # A child is trained as long as its baseline was meant to be.
    assert found.epochs == 6
    assert first.seconds == pytest.approx(6 * pace.epoch(first.proposal.architecture.multiply_adds))
    each = [one.seconds for one in found.trained]
    assert found.seconds == pytest.approx(max(sum(each) / 2, max(each)))
    later = made(toy_study, baseline, Settings(), pace, wait=120.0)
    assert price(later)[1].endswith("on this machine, after about 2 min for what waits now")
    said = price(found)
    assert said[0].startswith("4 children, ")
    assert said[0].endswith("6 epochs")
    assert f"1 exists already: m{other}" in said
    chosen = Settings(baselines={baseline.number: Chosen(frozenset({0, 1}))})
    assert len(made(toy_study, baseline, chosen).children) == 2
    assert "not known before something was trained" in price(made(toy_study, baseline, chosen))[1]


@pytest.mark.promise("PAGE-70")
def test_what_cannot_be_trained_is_told_with_its_reason(toy_study: Study) -> None:
    # Without its pools, the image stays as large; without the first, the second does not fit.
    base = Architecture((1, 8, 8), 10, (Dense(64), Dense(64)))
    (number,) = toy_study.submit([Submission(base)])
    model = toy_study.model(number)
    found = made(toy_study, model, Settings())
    assert found.children[1].proposal.problem == "same as proposal 0"
    small = made(toy_study, model, Settings(parameters=100))
    assert "over the limit of 100" in small.children[0].proposal.problem
    assert price(small) == ("nothing to train", "2 cannot be trained")
    assert submissions(small) == ()


@pytest.mark.promise("PAGE-71")
def test_variations_are_trained_as_they_were_shown(toy_study: Study, baseline: Model) -> None:
    settings = Settings("variations", count=6)
    known = known_of({baseline.number: baseline})
    drawn = draw(baseline, settings, SPACE, known)
    assert drawn == draw(baseline, settings, SPACE, known)
    kept = Chosen(drawn=drawn, struck=frozenset({1, 4}))
    settings = settings.having(baseline.number, kept)
    found = made(toy_study, baseline, settings)
    wanted = submissions(found)
    assert [place for place, one in enumerate(found.children) if one.struck] == [1, 4]
    assert len(wanted) == 4
    expected = [apply(BASE, edits) for place, edits in enumerate(drawn) if place not in {1, 4}]
    assert [one.architecture for one in wanted] == [one.architecture for one in expected]
    assert [one.words for one in wanted] == [one.words for one in expected]
    assert {(one.origin, one.parent, one.epochs) for one in wanted} == {(Origin.VARIATION, 1, 6)}
    numbers = toy_study.submit(wanted)
    assert len(set(numbers)) == 4
    # Once they are there, the same preview offers them no more.
    assert not made(toy_study, baseline, settings).trained


@pytest.mark.promise("PAGE-71")
def test_one_variation_is_drawn_anew_and_is_none_of_the_others(baseline: Model) -> None:
    settings = Settings("variations", count=5, changes=(1, 2))
    drawn = draw(baseline, settings, SPACE, {})
    settings = settings.having(baseline.number, Chosen(drawn=drawn))
    again = draw_one(baseline, settings, SPACE, {}, 2)
    assert again[:2] + again[3:] == drawn[:2] + drawn[3:]
    identities = [apply(BASE, edits).architecture.identity for edits in (*drawn, again[2])]
    assert len(set(identities)) == 6
    # Where nothing may change, there is nothing else to draw: D-21.
    stuck = settings.having(baseline.number, Chosen(allowed={0: frozenset()}, drawn=drawn))
    with pytest.raises(InvalidRequest, match="allow more"):
        draw_one(baseline, stuck, SPACE, {}, 2)


def test_new_layers_are_of_the_ticked_kinds(baseline: Model) -> None:
    settings = Settings("variations", count=8, kinds=frozenset({"dropout"}))
    allowed = {at: frozenset({"prepend"}) for at in range(6)}
    settings = settings.having(baseline.number, Chosen(allowed=allowed))
    layers = [edit.layer.kind for edits in draw(baseline, settings, SPACE, {}) for edit in edits]
    assert set(layers) == {"dropout"}


def test_a_handcraft_is_offered_alone(toy_study: Study, baseline: Model) -> None:
    settings = Settings("handcrafted")
    assert made(toy_study, baseline, settings).children == ()
    proposal = handcrafted(BASE, [Remove(2)])
    found = made(toy_study, baseline, settings, handcraft=proposal)
    (wanted,) = submissions(found)
    assert (wanted.origin, wanted.words) == (Origin.HANDCRAFTED, "Removed MaxPool at 2")
    nothing = handcrafted(BASE, [])
    assert not made(toy_study, baseline, settings, handcraft=nothing).trained


def test_the_first_training_of_an_architecture_stands_for_it(baseline: Model) -> None:
    again = replace(baseline, number=9, repeat=1, status=Status.DONE)
    assert known_of({1: baseline, 9: again}) == {baseline.identity: 1}
