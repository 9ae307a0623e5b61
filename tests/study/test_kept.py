"""The drawer: what is kept, in which order, with which note."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remap_ray.errors import InvalidRequest, UnknownModel
from remap_ray.study import Study, open_study
from remap_ray.study.kept import LONGEST_NOTE
from tests import synthetic

COUNT = 5
MOVES = st.lists(
    st.tuples(st.integers(1, COUNT), st.none() | st.integers(1, COUNT)), min_size=1, max_size=12
)
NOTE = "\"quoted\" 'too' <img src=x onerror=alert(1)> \N{PILE OF POO}\u202e\n" * 200


@pytest.fixture
def study(toy_study: Study) -> Study:
    synthetic.queue_samples(toy_study, COUNT + 1)
    toy_study.keep_all(range(1, COUNT + 1))
    return toy_study


def order(study: Study) -> list[int]:
    return [one.model for one in study.drawer()]


@pytest.mark.promise("STUDY-11")
def test_models_come_to_the_end_and_stay_where_they_are(study: Study) -> None:
    assert order(study) == [1, 2, 3, 4, 5]
    number = study.changes().number
    assert study.keep_all([6, 2, 6]) == (6,)
    study.keep(6, "as it was")
    assert order(study) == [1, 2, 3, 4, 5, 6]
    assert [one.model for one in study.changes(number).drawer] == [6]
    with pytest.raises(UnknownModel):
        study.keep_all([1, 99])


@pytest.mark.promise("STUDY-11")
@given(MOVES)
@settings(max_examples=25, deadline=None)
def test_a_moved_model_stands_right_above_the_other(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, int | None]]
) -> None:
    with synthetic.empty_study(tmp_path_factory.mktemp("kept") / "s") as study:
        synthetic.queue_samples(study, COUNT)
        study.keep_all(range(1, COUNT + 1))
        expected = list(range(1, COUNT + 1))
        for number, before in moves:
            study.arrange(number, before)
            if number != before:
                expected.remove(number)
                at = len(expected) if before is None else expected.index(before)
                expected.insert(at, number)
            assert order(study) == expected


def test_however_often_rows_are_moved_there_is_room_between_them(study: Study) -> None:
    # Each move halves the distance between the first two: after some 50 there is none left.
    for _ in range(60):
        study.arrange(3, 2)
        study.arrange(2, 3)
    assert order(study) == [1, 2, 3, 4, 5]
    study.arrange(5, 1)
    assert order(study) == [5, 1, 2, 3, 4]


def test_a_move_writes_the_moved_row_alone(study: Study) -> None:
    number = study.changes().number
    study.arrange(4, 2)
    assert [one.model for one in study.changes(number).drawer] == [4]


@pytest.mark.promise("STUDY-11")
def test_what_is_let_go_comes_back_where_it_was(study: Study) -> None:
    study.annotate(3, NOTE)
    (entry,) = [one for one in study.drawer() if one.model == 3]
    study.let_go(3)
    number = study.changes().number
    study.put_back([entry])
    assert order(study) == [1, 2, 3, 4, 5]
    with open_study(study.path) as second:
        assert next(one for one in second.drawer() if one.model == 3) == entry
        assert second.changes(number).deleted == {}


@pytest.mark.promise("STUDY-11")
def test_a_note_is_kept_to_the_letter(study: Study) -> None:
    note = NOTE[:LONGEST_NOTE]
    study.annotate(2, note)
    with open_study(study.path) as second:
        assert next(one for one in second.drawer() if one.model == 2).note == note
    study.annotate(2, "")
    assert all(one.note == "" for one in study.drawer())


def test_what_is_no_note_or_not_in_the_drawer_is_refused(study: Study) -> None:
    before = study.drawer()
    with pytest.raises(InvalidRequest, match="at most 10,000 characters, not 10,001"):
        study.annotate(2, "x" * 10_001)
    for refused in (
        lambda: study.annotate(6, "x"),
        lambda: study.arrange(6, None),
        lambda: study.arrange(1, 6),
        lambda: study.let_go(6),
    ):
        with pytest.raises(UnknownModel):
            refused()
    assert study.drawer() == before
