"""What a person has set in the Generate tab, as values that are kept for their browser. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, TypeAlias, final

from remap_ray.errors import InvalidArchitecture
from remap_ray.space import Design, spaces
from remap_ray.space.edit import NAMES, Edit, from_dict, to_dict

__all__ = ["CHANGES", "COUNTS", "MODES", "Chosen", "Drawn", "Settings"]

MODES = {"ablations": "Ablations", "variations": "Variations", "handcrafted": "Handcrafted"}
"""The three ways to make children, by name, with what their switch says."""

COUNTS = (1, 300)
"""Fewest and most variations that are drawn at once."""

KINDS = [kind for one in spaces.ENTRIES.values() for kind in one.kinds]

CHANGES = (1, 8)
"""Fewest and most changes of a variation."""

REMEMBERED = 50
"""Baselines whose settings are kept; the ones that were set longest ago go first."""

Drawn: TypeAlias = tuple[tuple[Edit, ...], ...]


@final
@dataclass(frozen=True)
class Chosen:
    """What was set for one baseline.

    Parameters
    ----------
    layers
        Zero-based indices of the layers to ablate; none is all of them.
    allowed
        Types of edits (the names of `remap_ray.space.edit.NAMES`) by position; None allows all
        everywhere. A layer for which there is none stays as it is.
    drawn
        The edits of each variation in the preview; None where they are still to be drawn.
    struck
        Places in the preview that shall not be trained.
    seed
        Number of draws so far: each gives other variations.
    draft
        The half-made handcraft in its JSON form, None where there is none.
    """

    layers: frozenset[int] = frozenset()
    allowed: Mapping[int, frozenset[str]] | None = None
    drawn: Drawn | None = None
    struck: frozenset[int] = frozenset()
    seed: int = 0
    draft: Mapping[str, Any] | None = None

    def redrawn(self, **changes: Any) -> Chosen:
        """Give what holds once the preview is to be drawn anew."""
        fresh: dict[str, Any] = {"drawn": None, "struck": frozenset(), "seed": self.seed + 1}
        return replace(self, **(fresh | changes))

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "layers": sorted(self.layers),
            "allowed": None
            if self.allowed is None
            else {str(index): sorted(types) for index, types in self.allowed.items()},
            "drawn": None
            if self.drawn is None
            else [[to_dict(edit) for edit in edits] for edits in self.drawn],
            "struck": sorted(self.struck),
            "seed": self.seed,
            "draft": self.draft,
        }

    @staticmethod
    def from_dict(form: Mapping[str, Any]) -> Chosen:
        """Make it of its JSON form; what makes no sense is left out."""
        allowed = form.get("allowed")
        draft = form.get("draft")
        return Chosen(
            _whole_numbers(form.get("layers")),
            {
                int(index): frozenset(one for one in types if one in list(NAMES))
                for index, types in allowed.items()
                if str(index).isdecimal() and isinstance(types, list)
            }
            if isinstance(allowed, Mapping)
            else None,
            _drawn(form.get("drawn")),
            _whole_numbers(form.get("struck")),
            _number(form.get("seed"), 0, 2**31, 0),
            draft if isinstance(draft, Mapping) else None,
        )

    def within(self, architecture: Design) -> Chosen:
        """Leave out what speaks of layers that a baseline does not have."""
        count = len(architecture.parts)
        here = frozenset(range(count))
        return replace(
            self,
            layers=self.layers & here,
            allowed=None
            if self.allowed is None
            else {index: types for index, types in self.allowed.items() if index <= count},
        )


@final
@dataclass(frozen=True)
class Settings:
    """What was set in the Generate tab of one browser.

    Parameters
    ----------
    mode
        One of `MODES`.
    count
        How many variations.
    changes
        Fewest and most changes of each.
    parameters
        The most that a child may have; None is the limit of the study's space.
    kinds
        Kinds that new layers of variations may be of; empty is all of the study's space.
    descendants
        Whether the table lists all descendants of the baseline, not its children alone.
    baselines
        What was set for each baseline, by model number, the last set last.
    """

    mode: str = "ablations"
    count: int = 5
    changes: tuple[int, int] = (1, 3)
    parameters: int | None = None
    kinds: frozenset[str] = frozenset()
    descendants: bool = False
    baselines: Mapping[int, Chosen] = field(default_factory=dict)

    def of(self, number: int, architecture: Design) -> Chosen:
        """Give what was set for a baseline, as far as it has the layers."""
        return self.baselines.get(number, Chosen()).within(architecture)

    def having(self, number: int, chosen: Chosen) -> Settings:
        """Give the settings with those of one baseline replaced."""
        rest = {key: one for key, one in self.baselines.items() if key != number}
        kept = dict(list(rest.items())[-REMEMBERED + 1 :])
        return replace(self, baselines={**kept, number: chosen})

    def setting(self, number: int, **changes: Any) -> Settings:
        """Give the settings with others for all baselines; their previews are drawn anew."""
        baselines = {
            key: one if key == number else replace(one, drawn=None, struck=frozenset())
            for key, one in self.baselines.items()
        }
        made = replace(self, **changes, baselines=baselines)
        return made.having(number, baselines.get(number, Chosen()).redrawn())

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "mode": self.mode,
            "count": self.count,
            "changes": list(self.changes),
            "parameters": self.parameters,
            "kinds": sorted(self.kinds),
            "descendants": self.descendants,
            # In a list: a JSON object of SQLite need not keep its order.
            "baselines": [[key, one.to_dict()] for key, one in self.baselines.items()],
        }

    @staticmethod
    def from_dict(form: object) -> Settings:
        """Make them of their JSON form; what makes no sense is as at first."""
        if not isinstance(form, Mapping):
            return Settings()
        usual = Settings()
        changes = form.get("changes")
        pair = changes if isinstance(changes, list) and len(changes) == 2 else usual.changes
        fewest = _number(pair[0], *CHANGES, usual.changes[0])
        kinds, parameters = form.get("kinds"), form.get("parameters")
        baselines = form.get("baselines")
        return Settings(
            str(form.get("mode")) if form.get("mode") in list(MODES) else usual.mode,
            _number(form.get("count"), *COUNTS, usual.count),
            (fewest, _number(pair[1], fewest, CHANGES[1], max(fewest, usual.changes[1]))),
            None if parameters is None else _number(parameters, 0, 10**12, 0) or None,
            frozenset(one for one in kinds if one in list(KINDS))
            if isinstance(kinds, list)
            else usual.kinds,
            form.get("descendants") is True,
            {
                one[0]: Chosen.from_dict(one[1])
                for one in (baselines if isinstance(baselines, list) else ())
                if isinstance(one, list) and len(one) == 2
                if isinstance(one[0], int) and isinstance(one[1], Mapping)
            },
        )


def _number(value: object, low: int, high: int, otherwise: int) -> int:
    """Give the whole number of a range that is nearest to a value; another where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return otherwise
    return min(max(round(value), low), high)


def _whole_numbers(found: object) -> frozenset[int]:
    given: Iterable[object] = found if isinstance(found, list) else ()
    return frozenset(
        one for one in given if isinstance(one, int) and not isinstance(one, bool) and one >= 0
    )


def _drawn(form: object) -> Drawn | None:
    if not isinstance(form, list):
        return None
    try:
        return tuple(tuple(from_dict(edit) for edit in edits) for edits in form)
    except (InvalidArchitecture, TypeError):
        # Kept by a release that knew other edits: the preview is drawn anew.
        return None
