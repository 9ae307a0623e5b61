"""The data selector: the classes, what is confused, and the images that are hard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import final

import numpy as np
import panel as pn
from numpy.typing import NDArray
from panel.viewable import Viewable, Viewer

from remap_panel import pictures, wording
from remap_panel.answers import Answers, Sums, aside, hardest
from remap_panel.sheet import Sheet, button
from remap_panel.state import ExplorerState
from remap_ray.study import DataSummary, Study, Thumbnail
from remap_ray.study.metrics import confused_pairs

__all__ = [
    "STYLE",
    "Card",
    "DataSelector",
    "cards",
    "cards_html",
    "data_html",
    "facts",
    "figures_of_classes",
    "hard_html",
    "pairs_html",
]

STYLE = (Path(__file__).parent / "data_style.css").read_text(encoding="utf-8")

PAIRS = 8
"""Pairs of classes that are listed."""

HARD = 24
"""Hard images that are shown."""


@final
@dataclass(frozen=True)
class Card:
    """One class: its label and name, some training images as PNG, its validation images' number."""

    label: int
    name: str
    images: tuple[bytes, ...]
    size: int = 0


def cards(
    class_names: Sequence[str],
    thumbnails: Sequence[Thumbnail],
    truth: NDArray[np.uint8] | Sequence[int] = (),
) -> tuple[Card, ...]:
    """Give the card of each class in label order; ``truth`` are the validation labels."""
    images: Mapping[int, list[bytes]] = {label: [] for label in range(len(class_names))}
    for one in thumbnails:
        images[one.label].append(one.png)
    sizes = np.bincount(np.asarray(truth, np.intp), minlength=len(class_names)).tolist()
    return tuple(
        Card(label, name, tuple(images[label]), sizes[label])
        for label, name in enumerate(class_names)
    )


def facts(data: DataSummary) -> str:
    """Say what the data set is made of."""
    train, validation, test = data.sizes
    parts = (
        f" · {train:,} train the models, {validation:,} validate them, {test:,} are kept for a"
        " last test"
    )
    channels, height, width = data.input_shape
    if data.is_table:
        return (
            f"{data.name}: {len(data.class_names)} classes of rows, {channels} columns of numbers"
            f"{parts}"
        )
    depth = {1: "grey", 3: "colour"}.get(channels, f"{channels}-channel")
    return (
        f"{data.name}: {len(data.class_names)} classes of {depth} images, {width}×{height} pixels"
        f"{parts}"
    )


def cards_html(found: Sequence[Card], *, pictured: bool = True) -> str:
    """Write the cards as HTML; of a table's rows there is nothing to picture."""
    cards = "".join(_card(one, pictured=pictured) for one in found)
    return f'<ul class="cards">{cards}</ul>'


def _card(card: Card, *, pictured: bool) -> str:
    shown = "".join(pictures.image(png) for png in card.images)
    body = (
        f'<div class="images">{shown}</div>'
        if shown
        else '<p class="none">The study holds no images of this class.</p>'
    )
    if not pictured:
        body = ""
    head = button(card.name, "class", card.label, toggle=True, kind="name")
    texts = "".join(f'<span data-text="{one} {card.label}"></span>' for one in ("best", "median"))
    return (
        f'<li class="card" data-label="{card.label}" data-hover="{card.label}" data-act="class" '
        f'data-value="{card.label}"><h3>{head}</h3>{body}'
        f'<p class="figures"><span>{card.size:,} to validate</span>{texts}</p></li>'
    )


def figures_of_classes(recalls: Mapping[int, NDArray[np.float32]], classes: int) -> dict[str, str]:
    """Say how well the best and the median model know each class, by the names in the cards.

    Parameters
    ----------
    recalls
        By model, its accuracy on each class, float32 (classes,), NaN where a class has no images.
    """
    texts = dict.fromkeys(
        (f"{one} {label}" for one in ("best", "median") for label in range(classes)), ""
    )
    if not recalls:
        return texts
    numbers, table = list(recalls), np.stack(list(recalls.values()))
    for label in np.flatnonzero(~np.isnan(table).any(axis=0)).tolist():
        column = table[:, label]
        best = int(column.argmax())
        texts[f"best {label}"] = f"best {wording.accuracy(float(column[best]))} (m{numbers[best]})"
        texts[f"median {label}"] = f"median {wording.accuracy(float(np.median(column)))}"
    return texts


def pairs_html(sums: Sums, names: Sequence[str], items: str = "images") -> str:
    """Write the classes that are taken for each other most often; a click chooses both."""
    head = "<h3>Often confused</h3>"
    found = confused_pairs(sums.matrix, PAIRS)
    if not sums.models:
        return f'{head}<p class="hint">Nothing to tell before the first model has predicted.</p>'
    if not found:
        return f'{head}<p class="hint">No model takes any class for another.</p>'
    rows = []
    most = found[0][2]
    for one, other, count in found:
        asked = int(sums.matrix[[one, other]].sum())
        there, back = int(sums.matrix[one, other]), int(sums.matrix[other, one])
        words = (
            f"{names[one]} is labelled as {names[other]} {there:,} times, "
            f"the other way round {back:,} times"
        )
        pair = f"{names[one]} ↔ {names[other]}"
        label = button(pair, "pair", f"{one},{other}", label=f"Choose both: {words}")
        bar = f'<i style="width:{100 * count / most:.0f}%"></i>'
        rows.append(
            f'<li>{label}<span class="bar" aria-hidden="true">{bar}</span>'
            f"<span>{count / asked:.1%} of their {items}</span></li>"
        )
    models = "1 model" if sums.models == 1 else f"{sums.models:,} models"
    return (
        f'{head}<p class="hint">Over {models}; choosing a pair colours the overview by both</p>'
        f'<ul class="pairs">{"".join(rows)}</ul>'
    )


def hard_html(
    items: Sequence[int], truth: NDArray[np.uint8], names: Sequence[str], study: Study
) -> str:
    """Write the images that most models get wrong as buttons; their counts are texts."""
    terms = study.data.terms
    head = f"<h3>{terms.items.capitalize()} that most models get wrong</h3>"
    if not items:
        return (
            f'{head}<p class="hint">None so far: no validation {terms.item} is labelled wrong '
            "by more than half of the models.</p>"
        )
    images = study.images()
    missing = pictures.MISSING if images is None and not study.data.is_table else ""
    shown = []
    for item in items:
        name = escape(names[truth[item]])
        inside = (
            f'<span class="true" title="{name}">{name}</span>'
            f'<span class="hint" data-text="wrong {item}"></span>'
        )
        shown.append(f"<li>{pictures.item_button(images, item, inside, terms.item)}</li>")
    return (
        f'{head}{missing}<p class="hint">Of the validation part, with their true classes; a click '
        f"colours the overview by who gets the {terms.item} right</p>"
        '<p data-text="who" role="status"></p>'
        f'<ul class="items hard">{"".join(shown)}</ul>'
    )


@lru_cache(maxsize=8)
def data_html(study: Study) -> str:
    """Write the cards; they never change, so all sessions share them."""
    found = cards(study.data.class_names, study.thumbnails(), study.validation_labels)
    shown = cards_html(found, pictured=not study.data.is_table)
    return f'<p class="facts">{escape(facts(study.data))}</p>{shown}'


@final
class DataSelector(Viewer):
    """The view of the data: a hover previews a class, a click chooses it, several together."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self._state = state
        self._names = state.study.data.class_names
        self._predicted: Mapping[int, object] | None = None
        self._sums: Sums | None = None
        self.cards = Sheet(
            self._act,
            self._hover,
            html=data_html(state.study),
            stylesheets=[STYLE],
            css_classes=["remap-data"],
        )
        self.pairs = Sheet(self._act, stylesheets=[STYLE], css_classes=["remap-pairs"])
        self.hard = Sheet(
            self._act, stylesheets=[pictures.STYLE, STYLE], css_classes=["remap-hard"]
        )
        self._items: tuple[int, ...] | None = None
        self._show()
        self._mark()
        state.param.watch(lambda _: self._show(), ["snapshot", "tab", "alone"])
        state.param.watch(lambda _: self._mark(), ["classes", "item", "right"])

    def __panel__(self) -> Viewable:
        return pn.Column(self.cards, self.pairs, self.hard, sizing_mode="stretch_width", margin=0)

    def _act(self, act: str, value: str) -> None:
        labels = [int(one) for one in value.split(",") if one.isdecimal()]
        if act == "item" and labels:
            self._state.show_item(labels[0])
        elif any(label >= len(self._names) for label in labels):
            return
        elif act == "class" and labels:
            self._state.choose_class(labels[0])
        elif act == "pair":
            self._state.classes = dict.fromkeys(sorted(labels), 1.0)

    def _hover(self, value: str) -> None:
        label = int(value) if value.isdecimal() else len(self._names)
        self._state.hovered_class = label if label < len(self._names) else None

    def _show(self) -> None:
        """Bring everything up to date, as far as somebody looks at it."""
        state = self._state
        recalls = state.snapshot.recalls
        if not state.shows("data") or recalls is self._predicted:
            return
        self._predicted = recalls
        self.cards.texts = figures_of_classes(recalls, len(self._names))
        # A copy: the thread must not see what the session changes.
        aside(state.turns, lambda: Answers.of(state.study).read(recalls), self._see)

    def _see(self, sums: Sums) -> None:
        study = self._state.study
        self._sums = sums
        items = hardest(sums, HARD)
        if items != self._items:
            self._items = items
            self.hard.html = hard_html(items, study.validation_labels, self._names, study)
        self.pairs.html = pairs_html(sums, self._names, study.data.terms.items)
        self._mark()

    def _mark(self) -> None:
        state, sums = self._state, self._sums
        self.cards.pressed = [f"class {label}" for label in state.classes]
        self.hard.pressed = [] if state.item is None else [f"item {state.item}"]
        texts = {"who": self._who()}
        if sums is not None:
            said = ((item, int(sums.wrong[item])) for item in self._items or ())
            texts |= {
                f"wrong {item}": f"{wrong:,} of {sums.models:,} wrong" for item, wrong in said
            }
        self.hard.texts = texts

    def _who(self) -> str:
        state = self._state
        if state.item is None:
            return ""
        name = self._names[state.study.validation_labels[state.item]]
        terms = state.study.data.terms
        right = sum(state.right.values())
        return (
            f"The overview shows who labels {terms.item} {state.item} right, as {name}: "
            f"{right:,} of {len(state.right):,} models. Click it again to end this."
        )
