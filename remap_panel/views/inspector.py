"""The inspector: all that is known of the model that was clicked, growing while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, final

import panel as pn
from panel.viewable import Viewable, Viewer

from remap_panel import snac, theme, wording
from remap_panel.confusion import Confusion, flags
from remap_panel.curves import Curves
from remap_panel.state import ExplorerState
from remap_ray.study import Model, Status
from remap_ray.study.metrics import confusion_matrix

__all__ = ["Inspector", "chip", "facts", "heading"]

STYLE = (Path(__file__).parent / "inspector_style.css").read_text(encoding="utf-8")

EMPTY = """
<div class="empty">
  <p class="dots" aria-hidden="true"><i></i><i></i><i></i><i></i></p>
  <p><strong>Click a circle to inspect a model</strong></p>
  <p>Its layers, figures, training curves and confusion matrix appear here.</p>
</div>
"""


def heading(model: Model) -> str:
    """Give the HTML of the title: which model it is and where it comes from."""
    if model.parent is None:
        come = wording.origin(model)
    else:
        come = f"child of m{model.parent}" + (f" — {model.words}" if model.words else "")
    return f"<h2>{model.name} · {escape(come)}</h2>"


def chip(model: Model) -> str:
    """Give the HTML of the large chip, with what leaves each layer under its block."""
    architecture = model.architecture
    laid = snac.blocks(architecture, "large")
    narrow = laid.blocks[0].width < laid.size.width
    sizes = "".join(
        f'<li style="left:{block.x}px;width:{block.width}px">{_size(block.shape, narrow)}</li>'
        for block in laid.blocks
    )
    shape = "×".join(str(side) for side in architecture.input_shape[1:])
    channels = architecture.input_shape[0]
    words = (
        f"Input {shape}, {channels} {'channel' if channels == 1 else 'channels'}; under each "
        "layer, what leaves it: height × width and channels, or units"
    )
    return (
        f'<div class="chip{" narrow" if narrow else ""}" tabindex="0" role="group" '
        f'aria-label="Layers of {model.name}">{snac.svg(architecture, "large")}'
        f'<ol style="width:{laid.width}px">{sizes}</ol></div><p class="hint">{words}</p>'
    )


def _size(shape: Sequence[int], narrow: bool) -> str:
    if len(shape) == 1:
        return str(shape[0])
    channels, height, width = shape
    return f"{height}×{width}{'×' if narrow else '<br>'}{channels}"


def facts(model: Model, reason: str) -> str:
    """Give the HTML of the grid of figures.

    Parameters
    ----------
    reason
        Why the model stands where it stands, in words.
    """
    pace = f"{model.seconds / model.epochs:.2g} s" if model.epochs else "–"
    status = (
        f'<span class="status {model.status.value}">'
        f"{theme.STATUS_SYMBOLS[model.status.value]} {escape(reason)}</span>"
    )
    listed = {
        "Validation accuracy": wording.accuracy(model.accuracy),
        "Training accuracy": wording.accuracy(model.train_accuracy),
        "Parameters": f"{model.parameters:,}",
        "FLOPs per image": wording.flops(model.flops),
        "Epochs": f"{model.epochs} of {model.wanted_epochs}",
        "Seconds per epoch": pace,
        "Status": status,
    }
    cells = "".join(
        f"<div{' class=wide' if name == 'Status' else ''}><dt>{name}</dt><dd>{value}</dd></div>"
        for name, value in listed.items()
    )
    return f"<dl>{cells}</dl>"


@final
class Inspector(Viewer):
    """The view of `ExplorerState.inspected`."""

    def __init__(self, state: ExplorerState, **params: Any) -> None:
        super().__init__(**params)
        self._state = state
        self._names = state.study.data.class_names
        self._predicted: tuple[int, int] | None = None
        self.curves = Curves()
        self.confusion = Confusion(self._names)
        self._empty = _html(EMPTY)
        self._head = _html("")
        self._facts = _html("")
        self._curves_head = _html("<h3>Training</h3>")
        self._curves = pn.Row(
            _plot(self.curves.accuracy),
            _plot(self.curves.loss),
            stylesheets=[":host { flex-wrap: wrap; }"],
            sizing_mode="stretch_width",
            margin=0,
        )
        self._matrix_head = _html("")
        self._matrix = pn.Column(
            _plot(self.confusion.figure),
            styles={"overflow-x": "auto"},
            sizing_mode="stretch_width",
            margin=0,
        )
        self._body = pn.Column(
            self._head,
            self._facts,
            self._curves_head,
            self._curves,
            self._matrix_head,
            self._matrix,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._view = pn.Column(
            self._empty, self._body, sizing_mode="stretch_width", margin=0, name="Inspector"
        )
        self._show()
        state.param.watch(lambda _: self._show(), ["snapshot", "inspected"])

    def __panel__(self) -> Viewable:
        return self._view

    def _show(self) -> None:
        snapshot = self._state.snapshot
        model = self._state.model(self._state.inspected)
        self._empty.visible = model is None
        self._body.visible = model is not None
        if model is None:
            return
        reason = snapshot.reasons[model.number]
        self._head.object = heading(model) + chip(model)
        self._facts.object = facts(model, reason)
        epochs = snapshot.epochs.get(model.number, ())
        self._curves.visible = bool(epochs)
        note = "" if epochs else f'<p class="note">{_no_curves(model)}</p>'
        self._curves_head.object = f"<h3>Training</h3>{note}"
        self.curves.show(model.number, epochs, model.wanted_epochs)
        self._show_matrix(model)

    def _show_matrix(self, model: Model) -> None:
        shown = (model.number, model.epochs) if model.status is Status.DONE else None
        if shown is not None and shown == self._predicted:
            return
        labels = None if shown is None else self._state.study.predictions(model.number)
        self._predicted = shown
        self._matrix.visible = labels is not None
        if labels is None:
            self._matrix_head.object = (
                f'<h3>Confusion matrix</h3><p class="note">{_no_matrix(model)}</p>'
            )
            return
        matrix = confusion_matrix(self._state.study.validation_labels, labels, len(self._names))
        self.confusion.show(model.name, matrix)
        self._matrix_head.object = matrix_words(model, flags(matrix, self._names), matrix.sum())


def matrix_words(model: Model, never: Sequence[str], images: int) -> str:
    """Give the HTML above a confusion matrix: what it shows, and what it lacks."""
    warning = ""
    if never:
        names = ", ".join(escape(name) for name in never)
        warning = f'<p class="warning">! {model.name} labels no image at all as: {names}</p>'
    return (
        f'<h3>Confusion matrix</h3>{warning}<p class="hint">{images:,} validation images; each '
        "row is a true class, each column what they are labelled as; the shade is the share of "
        "the row</p>"
    )


def _no_curves(model: Model) -> str:
    if model.status in {Status.FAILED, Status.CANCELLED}:
        return f"No epoch of {model.name} was trained."
    return f"The curves begin with the first epoch of {model.name}."


def _no_matrix(model: Model) -> str:
    if model.status in {Status.FAILED, Status.CANCELLED}:
        return f"There are no predictions of {model.name}: it was not trained to the end."
    return f"The confusion matrix appears when {model.name} is trained."


def _html(text: str) -> pn.pane.HTML:
    return pn.pane.HTML(text, stylesheets=[STYLE], sizing_mode="stretch_width", margin=0)


def _plot(plot: Any) -> pn.pane.Bokeh:
    return pn.pane.Bokeh(plot, sizing_mode="stretch_width", margin=0)
