"""The data selector: a card for each class of the study's data set."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import final

from panel.viewable import Viewable, Viewer

from remap_panel.fragment import Fragment
from remap_panel.state import ExplorerState
from remap_ray.study import DataSummary, Study, Thumbnail

__all__ = ["STYLE", "Card", "DataSelector", "cards", "cards_html", "data_html", "facts"]

SMOOTH_FROM = 48
"""Images of at least this many pixels across are enlarged smoothly; smaller ones show pixels."""

STYLE = """
:host { display: block; width: 100%; }
.facts { margin: 0 0 14px; color: var(--remap-muted); font: 13px/1.5 var(--remap-sans); }
.cards {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(196px, 1fr)); gap: 12px;
  margin: 0; padding: 0; list-style: none;
}
.card {
  box-sizing: border-box; padding: 10px 12px 12px; background: var(--remap-surface);
  border: 1px solid var(--remap-border); border-radius: 8px;
}
h3 {
  margin: 0 0 8px; font: 600 14px/1.3 var(--remap-sans); color: var(--remap-text);
  overflow-wrap: anywhere;
}
.images { display: grid; grid-template-columns: repeat(4, 1fr); gap: 5px; }
img {
  display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 3px;
  background: var(--remap-row);
}
.is-tiny { image-rendering: pixelated; }
.none { margin: 0; color: var(--remap-muted); font: 13px/1.4 var(--remap-sans); }
@media (max-width: 600px) {
  .cards { grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
}
"""


@final
@dataclass(frozen=True)
class Card:
    """One class: its label, its name, and some of its training images as PNG."""

    label: int
    name: str
    images: tuple[bytes, ...]


def cards(class_names: Sequence[str], thumbnails: Sequence[Thumbnail]) -> tuple[Card, ...]:
    """Give the card of each class in label order."""
    images: Mapping[int, list[bytes]] = {label: [] for label in range(len(class_names))}
    for one in thumbnails:
        images[one.label].append(one.png)
    return tuple(Card(label, name, tuple(images[label])) for label, name in enumerate(class_names))


def facts(data: DataSummary) -> str:
    """Say what the data set is made of."""
    channels, height, width = data.input_shape
    depth = {1: "grey", 3: "colour"}.get(channels, f"{channels}-channel")
    train, validation, test = data.sizes
    return (
        f"{data.name}: {len(data.class_names)} classes of {depth} images, {width}×{height} pixels"
        f" · {train:,} train the models, {validation:,} validate them, {test:,} are kept for a"
        " last test"
    )


def cards_html(found: Sequence[Card]) -> str:
    """Write the cards as HTML."""
    return f'<ul class="cards">{"".join(_card(one) for one in found)}</ul>'


def _card(card: Card) -> str:
    shown = "".join(_image(png) for png in card.images)
    body = (
        f'<div class="images">{shown}</div>'
        if shown
        else '<p class="none">The study holds no images of this class.</p>'
    )
    return f'<li class="card" data-label="{card.label}"><h3>{escape(card.name)}</h3>{body}</li>'


def _image(png: bytes) -> str:
    # Width and height are the first two numbers of the header that every PNG starts with.
    width, height = struct.unpack(">II", png[16:24])
    tiny = ' class="is-tiny"' if max(width, height) < SMOOTH_FROM else ""
    return f'<img{tiny} alt="" src="data:image/png;base64,{b64encode(png).decode("ascii")}">'


@lru_cache(maxsize=8)
def data_html(study: Study) -> str:
    """Write the whole view; it never changes, so all sessions share it."""
    found = cards(study.data.class_names, study.thumbnails())
    return f'<p class="facts">{escape(facts(study.data))}</p>{cards_html(found)}'


class DataSelector(Viewer):
    """The cards of all classes."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self.cards = Fragment(
            html=data_html(state.study),
            stylesheets=[STYLE],
            sizing_mode="stretch_width",
            margin=0,
            css_classes=["remap-data"],
        )

    def __panel__(self) -> Viewable:
        return self.cards
