"""The seeded division into parts keeps every class's share, loses nothing and never changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remap_ray.errors import DataError
from remap_ray.training.parts import SHARES, allot, divide, shuffled

counts = st.lists(st.integers(0, 400), min_size=1, max_size=12)
shares = st.lists(st.integers(1, 100), min_size=2, max_size=4)


@given(counts, shares)
def test_each_class_has_its_share_in_every_part_within_one_item(counts, shares):
    for count, given_items in zip(counts, allot(counts, shares), strict=True):
        assert sum(given_items) == count
        for share, items in zip(shares, given_items, strict=True):
            assert abs(items * sum(shares) - count * share) < sum(shares)


@given(
    st.lists(st.integers(4, 60), min_size=2, max_size=8),
    st.integers(0, 2**32),
    st.randoms(use_true_random=False),
)
def test_parts_are_disjoint_and_complete_and_hold_every_class(counts, seed, random):
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    random.shuffle(labels)
    names = [str(label) for label in range(len(counts))]
    parts = divide(np.array(labels), SHARES, seed, names)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for part, share in zip(parts, SHARES, strict=True):
        assert np.all(np.diff(part) > 0)
        per_class = np.bincount(np.array(labels)[part], minlength=len(counts))
        assert per_class.min() >= 1
        assert np.all(np.abs(per_class - np.array(counts) * share / 100) < 1)


@given(st.integers(0, 2**63), st.integers(0, 50))
def test_a_shuffle_is_a_permutation_that_its_seed_decides(seed, count):
    assert sorted(shuffled(count, seed).tolist()) == list(range(count))
    assert np.array_equal(shuffled(count, seed), shuffled(count, seed))


@pytest.mark.promise("DATA-1")
def test_the_order_of_a_seed_is_the_same_on_every_machine():
    # Written down once: a change would give every existing study other parts.
    assert shuffled(12, 0).tolist() == [11, 3, 2, 1, 8, 6, 0, 7, 4, 10, 5, 9]
    assert shuffled(12, 1).tolist() == [9, 2, 4, 7, 5, 0, 11, 8, 10, 6, 3, 1]


def test_equal_classes_are_divided_exactly():
    parts = divide(np.repeat(np.arange(10), 60), (5, 1), 3, [str(n) for n in range(10)])
    assert [len(part) for part in parts] == [500, 100]


def test_what_is_left_of_the_classes_evens_out_over_the_parts():
    # 20 classes of 23 items: 16.1, 3.45 and 3.45 of each.
    totals = np.sum(allot([23] * 20, SHARES), axis=0)
    assert np.all(np.abs(totals - np.array([322, 69, 69])) <= 1)


@pytest.mark.parametrize(("few", "words"), [(0, "0 images"), (1, "1 image,"), (3, "3 images")])
def test_a_class_with_too_few_images_is_named(few, words, tmp_path):
    labels = np.array([0] * 20 + [1] * few)
    with pytest.raises(DataError, match=r"class 'cup'.*70 : 15 : 15.*at least 4") as caught:
        divide(labels, SHARES, 0, ["plate", "cup"], tmp_path)
    assert words in str(caught.value)
    assert caught.value.path == tmp_path
