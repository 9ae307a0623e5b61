"""The inspector: all that is known of the model that was clicked, growing while it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, final

import numpy as np
import panel as pn
from numpy.typing import NDArray
from panel.viewable import Viewable, Viewer

from remap_panel import matrix, pictures, snac, theme, wording
from remap_panel.confusion import Confusion, flags
from remap_panel.curves import Curves, prospect
from remap_panel.downloads import Download, address_of
from remap_panel.exporting import Export
from remap_panel.sheet import Sheet, button
from remap_panel.snac.strip import lines
from remap_panel.snapshot import Snapshot
from remap_panel.state import ExplorerState
from remap_ray.space.terms import LAYERS, Terms
from remap_ray.study import Model, Status
from remap_ray.study.files import metadata_at
from remap_ray.study.metrics import confusion_matrix

__all__ = [
    "Inspector",
    "cell_html",
    "chip",
    "confusions_html",
    "exported",
    "facts",
    "heading",
    "matrix_words",
    "wishes",
]

STYLE = (Path(__file__).parent / "inspector_style.css").read_text(encoding="utf-8")

CHILDREN = 12
"""Children that are named."""

CONFUSIONS = 30
"""Cells that are named where there are too many classes for a table."""

IMAGES = 60
"""Images of a cell that are shown at once."""

UNITS = (
    '<div class="row">'
    + button("counts", "unit", "counts", toggle=True)
    + button("shares of rows", "unit", "shares", toggle=True)
    + "</div>"
)

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
        return f"<h2>{model.name} · {escape(wording.origin(model))}</h2>"
    parent = f"m{model.parent}"
    told = button(parent, "inspect", model.parent, label="inspect", hover=model.parent, kind="link")
    words = f" — {escape(model.words)}" if model.words else ""
    return f"<h2>{model.name} · child of {told}{words}</h2>"


def wishes(model: Model, snapshot: Snapshot) -> str:
    """Give the HTML of what can be done with a model now, and of its children."""
    kept = model.number in snapshot.drawer_numbers
    said = [
        button("In the drawer ✓", "keep", enabled=False)
        if kept
        else button("Keep in the drawer", "keep")
    ]
    if model.status is Status.DONE:
        more = "1 epoch" if model.wanted_epochs == 1 else f"{model.wanted_epochs} epochs"
        label = f"queue {model.name} again for {more} more, from where it ended"
        said.append(button(f"Train {more} longer", "longer", model.wanted_epochs, label=label))
        form = "PyTorch source, weights, ONNX" if model.terms is LAYERS else "source, trees"
        label = f"write {model.name} as {form} and a card"
        said.append(button("Export", "export", model.number, label=label))
    label = f"make children of {model.name}: ablations, variations, handcrafts"
    said.append(button("Use as baseline", "baseline", label=label))
    if model.parent in snapshot.models:
        said.append(button(f"Compare with m{model.parent}", "compare", model.parent))
    children = snapshot.children.get(model.number, ())
    if children:
        shown = [
            button(f"m{one}", "inspect", one, label="inspect", hover=one, kind="link")
            for one in children[:CHILDREN]
        ]
        more = f" and {len(children) - CHILDREN} more" if len(children) > CHILDREN else ""
        said.append(f"<span>Children: {', '.join(shown)}{more}</span>")
    return f'<div class="row wishes">{"".join(said)}</div>'


def exported(model: Model, export: Export | None) -> str:
    """Give the HTML of where a model's export stands, empty where there is none."""
    if export is None:
        return ""
    if export.running:
        words = f"{model.name} is exported: {escape(export.words)} …"
        return f'<p class="note" role="status">{words}</p>'
    if export.folder is None:
        words = f"! {model.name} was not exported: {escape(export.words)}"
        return f'<p class="warning" role="alert">{words}</p>'
    link = ""
    if Download.served:
        link = (
            f'<a class="button" href="{address_of(model.number)}" download>'
            f"Download {model.name} as a zip</a> "
        )
    folder = escape(str(export.folder))
    return f'<p class="exported">{link}<span>It is in <code>{folder}</code></span></p>'


def chip(model: Model) -> str:
    """Give the HTML of the large chip, with what leaves each layer under its block."""
    architecture = model.design
    laid = snac.blocks(architecture, "large")
    narrow = laid.blocks[0].width < laid.size.width
    sizes = "".join(
        f'<li style="left:{block.x}px;width:{block.width}px">{_size(block.shape, narrow)}</li>'
        for block in laid.blocks
        # A column's number is always 1.
        if architecture.ordered or block.shape != (1,)
    )
    shape = "×".join(str(side) for side in architecture.input_shape[1:])
    channels = architecture.input_shape[0]
    words = (
        f"Input {shape}, {channels} {'channel' if channels == 1 else 'channels'}; under each "
        "layer, what leaves it: height × width and channels, or units"
    )
    name = wording.parts(architecture.terms)
    if not architecture.ordered:
        words = (
            f"Sees {architecture.countable} of {channels} columns. Under the settings: trees a "
            "round, leaves at most, bins, and classes"
        )
    return (
        f'<div class="chip{" narrow" if narrow else ""}" tabindex="0" role="group" '
        f'aria-label="{name} of {model.name}">{snac.svg(architecture, "large")}'
        f'<ol style="width:{laid.width}px">{sizes}</ol></div><p class="hint">{words}</p>'
    )


def _size(shape: Sequence[int], narrow: bool) -> str:
    return ("×" if narrow else "<br>").join(lines(shape))


def facts(
    model: Model, reason: str, disk: int | None = None, grown: Mapping[str, str] | None = None
) -> str:
    """Give the HTML of where the model stands and of the grid of figures.

    Parameters
    ----------
    reason
        Why the model stands where it stands, in words.
    disk
        Bytes of the file of its weights; None where there is none yet.
    grown
        What that file says of itself, such as how many leaves there are.
    """
    size = model.design.cost.weights_bytes if disk is None else disk
    terms = model.terms
    written = f"{'≈ ' if disk is None else ''}{wording.size(size)}" if size else "–"
    listed = {
        "Validation accuracy": wording.accuracy(model.accuracy),
        "Training accuracy": wording.accuracy(model.train_accuracy),
        "Validation loss": _loss(model.validation_loss),
        "Training loss": _loss(model.train_loss),
        "Epochs": f"{model.epochs} of {model.wanted_epochs}",
        terms.size.capitalize(): f"{model.parameters:,}{'' if terms is LAYERS else ' at most'}",
        terms.work: (
            wording.flops(model.flops) if terms is LAYERS else wording.compact(model.flops)
        ),
        "Size on disk": written,
        "Seconds per epoch": f"{model.seconds / model.epochs:.2g}" if model.epochs else "–",
        "Stopped early": escape(model.stopped) if model.stopped else _stopped(model),
    }
    for name in ("trees", "leaves"):
        if grown and grown.get(name, "").isdecimal():
            listed[f"{name.capitalize()} grown"] = f"{int(grown[name]):,}"
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in listed.items())
    return (
        f'<p class="status {model.status.value}"><span class="mark" aria-hidden="true">'
        f"{theme.STATUS_SYMBOLS[model.status.value]}</span> {escape(reason)}</p><dl>{cells}</dl>"
    )


def _loss(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _stopped(model: Model) -> str:
    return "no" if model.status is Status.DONE else "–"


@final
class Inspector(Viewer):
    """The view of `ExplorerState.inspected`."""

    def __init__(self, state: ExplorerState, **params: Any) -> None:
        super().__init__(**params)
        self._state = state
        self._names = state.study.data.class_names
        self._predicted: tuple[int, int] | None = None
        self._labels: NDArray[np.uint8] | None = None
        self._counts = np.zeros((0, 0), np.int64)
        self._shares = False
        self._cell: tuple[int, int] | None = None
        self.curves = Curves()
        self.confusion = Confusion(self._names)
        self._many = len(self._names) > matrix.MOST_CLASSES
        self._empty = Sheet(stylesheets=[STYLE])
        self.head = Sheet(self._act, self._hover, stylesheets=[STYLE])
        self.wishes = Sheet(self._act, self._hover, stylesheets=[STYLE])
        self.exported = Sheet(stylesheets=[STYLE])
        self._facts = Sheet(stylesheets=[STYLE])
        self._curves_head = Sheet(stylesheets=[STYLE])
        self._curves = pn.Row(
            _plot(self.curves.accuracy),
            _plot(self.curves.loss),
            stylesheets=[":host { flex-wrap: wrap; }"],
            sizing_mode="stretch_width",
            margin=0,
        )
        self.matrix = Sheet(
            self._act, stylesheets=[STYLE, matrix.STYLE], css_classes=["remap-matrix"]
        )
        self._picture = pn.Column(
            _plot(self.confusion.figure),
            styles={"overflow-x": "auto"},
            sizing_mode="stretch_width",
            margin=0,
        )
        self.images = Sheet(
            self._act, stylesheets=[STYLE, pictures.STYLE], css_classes=["remap-images"]
        )
        self._body = pn.Column(
            self.head,
            self._facts,
            self.wishes,
            self.exported,
            self._curves_head,
            self._curves,
            self.matrix,
            self._picture,
            self.images,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._view = pn.Column(
            self._empty, self._body, sizing_mode="stretch_width", margin=0, name="Inspector"
        )
        self._show()
        state.param.watch(lambda _: self._show(), ["snapshot", "inspected"])
        state.param.watch(lambda _: self._show_export(), ["exports", "inspected"])
        state.param.watch(lambda _: self._press(), "item")

    def __panel__(self) -> Viewable:
        return self._view

    def _show(self) -> None:
        snapshot = self._state.snapshot
        model = self._state.model(self._state.inspected)
        self._empty.html = EMPTY if model is None else ""
        self._body.visible = model is not None
        if model is None:
            return
        self.head.html = heading(model) + chip(model)
        self.wishes.html = wishes(model, snapshot)
        self._show_export()
        self._facts.html = facts(
            model, snapshot.reasons[model.number], self._disk(model), self._grown(model)
        )
        epochs = snapshot.epochs.get(model.number, ())
        self._curves.visible = bool(epochs)
        note = prospect(epochs).words if epochs else _no_curves(model)
        self._curves_head.html = f'<h3>Training</h3><p class="note">{note}</p>'
        self.curves.show(model.number, epochs, model.wanted_epochs)
        self._show_matrix(model)

    def _disk(self, model: Model) -> int | None:
        if model.status is not Status.DONE:
            return None
        path = self._state.study.weights_path(model.number)
        return path.stat().st_size if path.exists() else None

    def _grown(self, model: Model) -> Mapping[str, str] | None:
        if model.status is not Status.DONE or model.terms is LAYERS:
            return None
        return metadata_at(self._state.study.weights_path(model.number))

    def _show_matrix(self, model: Model) -> None:
        shown = (model.number, model.epochs) if model.status is Status.DONE else None
        if shown is not None and shown == self._predicted:
            return
        study = self._state.study
        self._labels = None if shown is None else study.predictions(model.number)
        self._predicted, self._cell = shown, None
        self.images.html = ""
        if self._labels is None:
            self._picture.visible = False
            note = _no_matrix(model)
            self.matrix.html = f'<h3>Confusion matrix</h3><p class="note">{note}</p>'
            return
        self._counts = confusion_matrix(study.validation_labels, self._labels, len(self._names))
        self._picture.visible = self._many
        if self._many:
            self.confusion.show(model.name, self._counts, model.terms.items)
        self._draw_matrix(model)

    def _show_export(self) -> None:
        model = self._state.model(self._state.inspected)
        if model is not None:
            self.exported.html = exported(model, self._state.exports.get(model.number))

    def _draw_matrix(self, model: Model) -> None:
        counts = self._counts
        words = matrix_words(model, flags(counts, self._names), int(counts.sum()))
        if self._many:
            self.matrix.html = words + confusions_html(counts, self._names, model)
        else:
            table = matrix.matrix_html(
                counts,
                self._names,
                model.name,
                shares=self._shares,
                act="cell",
                items=model.terms.items,
            )
            self.matrix.html = f"{words}{UNITS}{table}"
        self._press()

    def _press(self) -> None:
        cell = [] if self._cell is None else [f"cell {self._cell[0]},{self._cell[1]}"]
        self.matrix.pressed = [f"unit {'shares' if self._shares else 'counts'}", *cell]
        item = self._state.item
        self.images.pressed = [] if item is None else [f"item {item}"]

    def _act(self, act: str, value: str) -> None:
        state = self._state
        model = state.model(state.inspected)
        if model is None:
            return
        numbers = [int(one) for one in value.split(",") if one.isdecimal()]
        if act == "keep":
            state.keep(model.number)
        elif act == "inspect" and numbers:
            state.inspect(numbers[0])
        elif act == "compare" and numbers:
            state.compare([numbers[0], model.number])
            state.tab = "compare"
        elif act == "longer" and numbers and model.status is Status.DONE:
            state.longer(model.number, epochs=max(1, numbers[0]))
        elif act == "baseline":
            # What is inspected is what that tab works on.
            state.tab = "generate"
        elif act == "export" and model.status is Status.DONE:
            state.export(model.number)
        elif act == "unit" and self._labels is not None:
            self._shares = value == "shares"
            self._draw_matrix(model)
        elif act == "item" and numbers:
            state.show_item(numbers[0])
        elif act == "cell" and len(numbers) == 2 and max(numbers) < len(self._names):
            self._show_cell(model, (numbers[0], numbers[1]))

    def _show_cell(self, model: Model, cell: tuple[int, int]) -> None:
        """Show the images of a cell; the same again takes them away."""
        if self._labels is None:
            return
        study = self._state.study
        self._cell = None if cell == self._cell else cell
        self._press()
        self.images.html = ""
        if self._cell is not None:
            true, predicted = cell
            there = (study.validation_labels == true) & (self._labels == predicted)
            items = np.flatnonzero(there).tolist()
            self.images.html = cell_html(
                items, self._names[true], self._names[predicted], model.name, study.images(),
                study.data.terms,
            )  # fmt: skip
            self._press()

    def _hover(self, value: str) -> None:
        self._state.hovered = int(value) if value.isdecimal() else None


def matrix_words(model: Model, never: Sequence[str], images: int) -> str:
    """Give the HTML above a confusion matrix: what it shows, and what it lacks."""
    warning, terms = "", model.terms
    if never:
        names = ", ".join(escape(name) for name in never)
        warning = f'<p class="warning">! {model.name} labels no {terms.item} at all as: {names}</p>'
    return (
        f'<h3>Confusion matrix</h3>{warning}<p class="hint">{images:,} validation {terms.items}; '
        "each "
        "row is a true class, each column what they are labelled as; the shade is the share of "
        f"the row, blue where right. Press a cell to see its {terms.items}</p>"
    )


def confusions_html(counts: NDArray[np.int64], names: Sequence[str], model: Model) -> str:
    """Give the HTML of the cells beside the diagonal that hold most, where a table is too large."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]
    rows = []
    for true, predicted in (divmod(int(one), len(names)) for one in order):
        if not wrong[true, predicted]:
            break
        words = f"{names[true]} → {names[predicted]}: {wrong[true, predicted]:,}"
        items = model.terms.items.capitalize()
        label = f"{items} of {names[true]} that {model.name} labels as {names[predicted]}"
        rows.append(button(words, "cell", f"{true},{predicted}", label=label, toggle=True))
    return f'<div class="row">{"".join(rows)}</div>'


def cell_html(
    items: Sequence[int],
    true: str,
    predicted: str,
    model: str,
    images: NDArray[np.uint8] | None,
    terms: Terms = LAYERS,
) -> str:
    """Give the HTML of a cell's images, each a button that recolours the overview by it."""
    count = f"{len(items):,} {terms.item if len(items) == 1 else terms.items}"
    head = f"<h3>{count} of {escape(true)}, labelled as {escape(predicted)} by {model}</h3>"
    if not items:
        return head
    missing = pictures.MISSING if images is None and terms is LAYERS else ""
    shown = "".join(
        f"<li>{pictures.item_button(images, item, '', terms.item)}</li>" for item in items[:IMAGES]
    )
    more = f", the first {IMAGES} are shown" if len(items) > IMAGES else ""
    return (
        f'{head}{missing}<p class="hint">A click colours the overview by who gets the '
        f'{terms.item} right{more}</p><ul class="items">{shown}</ul>'
    )


def _no_curves(model: Model) -> str:
    if model.status in {Status.FAILED, Status.CANCELLED}:
        return f"No epoch of {model.name} was trained."
    return f"The curves begin with the first epoch of {model.name}."


def _no_matrix(model: Model) -> str:
    if model.status in {Status.FAILED, Status.CANCELLED}:
        return f"There are no predictions of {model.name}: it was not trained to the end."
    return f"The confusion matrix appears when {model.name} is trained."


def _plot(plot: Any) -> pn.pane.Bokeh:
    return pn.pane.Bokeh(plot, sizing_mode="stretch_width", margin=0)
