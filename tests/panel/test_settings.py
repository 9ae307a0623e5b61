"""What is set in the Generate tab."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remap_panel.settings import CHANGES, COUNTS, MODES, REMEMBERED, Chosen, Settings
from remap_ray.space import Activation, Architecture, Conv
from remap_ray.space.edit import Prepend, Remove, Reparameterize, Replace
from tests.laws import law

EDITS = st.sampled_from(
    [
        Remove(1),
        Replace(0, Conv(8, 3)),
        Prepend(2, Activation("tanh")),
        Reparameterize(0, "filters", 4),
    ]
)
PLACES = st.frozensets(st.integers(0, 9), max_size=4)
CHOSEN = st.builds(
    Chosen,
    layers=PLACES,
    allowed=st.none()
    | st.dictionaries(
        st.integers(0, 9), st.frozensets(st.sampled_from(["remove", "prepend"])), max_size=3
    ),
    drawn=st.none() | st.lists(st.lists(EDITS, max_size=2).map(tuple), max_size=3).map(tuple),
    struck=PLACES,
    seed=st.integers(0, 1000),
    draft=st.none() | st.just({"version": 1}),
)
SETTINGS = st.builds(
    Settings,
    mode=st.sampled_from(sorted(MODES)),
    count=st.integers(*COUNTS),
    changes=st.tuples(st.integers(*CHANGES), st.integers(*CHANGES)).map(sorted).map(tuple),
    parameters=st.none() | st.integers(1, 10**9),
    kinds=st.frozensets(st.sampled_from(["conv", "dense"])),
    descendants=st.booleans(),
    baselines=st.dictionaries(st.integers(1, 99), CHOSEN, max_size=3),
)


@law()
@given(SETTINGS)
def test_settings_come_back_as_they_were(settings: Settings) -> None:
    again = Settings.from_dict(settings.to_dict())
    assert again == settings
    assert list(again.baselines) == list(settings.baselines)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)


@law()
@given(
    st.dictionaries(
        st.sampled_from(["mode", "count", "changes", "parameters", "kinds", "baselines"]), JSON
    )
    | JSON
)
def test_whatever_was_kept_gives_legal_settings(form: object) -> None:
    found = Settings.from_dict(form)
    assert found.mode in MODES
    assert COUNTS[0] <= found.count <= COUNTS[1]
    assert CHANGES[0] <= found.changes[0] <= found.changes[1] <= CHANGES[1]


def test_what_speaks_of_layers_that_are_not_there_is_left_out() -> None:
    architecture = Architecture((1, 8, 8), 10, (Conv(8, 3), Activation("relu")))
    chosen = Chosen(frozenset({0, 5}), {0: frozenset(), 2: frozenset({"prepend"}), 3: frozenset()})
    settings = Settings(baselines={7: chosen})
    found = settings.of(7, architecture)
    assert found.layers == {0}
    assert set(found.allowed) == {0, 2}
    assert settings.of(8, architecture) == Chosen()


def test_the_baselines_set_longest_ago_are_forgotten_first() -> None:
    settings = Settings()
    for number in range(1, REMEMBERED + 3):
        settings = settings.having(number, Chosen(seed=number))
    assert next(iter(settings.baselines)) == 3
    assert len(settings.baselines) == REMEMBERED
    again = settings.having(3, Chosen(seed=1)).having(999, Chosen())
    assert {3, 999} <= set(again.baselines)


def test_other_settings_draw_every_preview_anew_and_keep_the_rest() -> None:
    drawn = ((Remove(0),),)
    one = Chosen(frozenset({1}), drawn=drawn, struck=frozenset({0}))
    settings = Settings(baselines={1: one, 2: one}).setting(1, count=7)
    assert settings.count == 7
    for number in (1, 2):
        assert settings.baselines[number].drawn is None
        assert settings.baselines[number].struck == frozenset()
        assert settings.baselines[number].layers == {1}
    assert settings.baselines[1].seed == 1
