from __future__ import annotations

import pytest

from remap_ray.errors import InvalidRequest
from remap_ray.study import Study, draft_of, keep_draft


@pytest.mark.promise("PAGE-75")
def test_what_a_browser_began_is_there_again(toy_study: Study) -> None:
    assert draft_of(toy_study, "one") is None
    keep_draft(toy_study, "one", {"mode": "variations", "baselines": {"3": {"layers": [1]}}})
    keep_draft(toy_study, "two", {"mode": "ablations"})
    before = toy_study.changes().number
    keep_draft(toy_study, "two", {"mode": "handcrafted"})
    with Study.open(toy_study.path) as again:
        assert draft_of(again, "one") == {
            "mode": "variations",
            "baselines": {"3": {"layers": [1]}},
        }
        assert draft_of(again, "two") == {"mode": "handcrafted"}
        # Nobody else is told.
        assert again.changes().number == before


def test_a_draft_of_any_size_is_not_kept(toy_study: Study) -> None:
    with pytest.raises(InvalidRequest, match="too large"):
        keep_draft(toy_study, "one", {"text": "x" * 3_000_000})
