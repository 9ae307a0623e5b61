"""Models side by side: two to six in full, a larger selection by what it has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from math import isnan
from pathlib import Path
from typing import TypeAlias, final

import panel as pn
from panel.viewable import Viewable, Viewer

from remap_panel import matrix, snac, wording
from remap_panel.answers import aside
from remap_panel.comparison import Common, Compared, common, compare
from remap_panel.sheet import Sheet, button
from remap_panel.state import COMPARED, ExplorerState
from remap_ray.study import Model

__all__ = ["Compare", "answers_html", "chips_html", "common_html", "figures_html", "matrices_html"]

STYLE = (Path(__file__).parent / "compare_style.css").read_text(encoding="utf-8")

EMPTY = f"""
<div class="empty"><p><strong>Nothing to compare yet</strong></p>
<p>Tick two to {COMPARED} models in the drawer and press Compare, or draw a lasso around circles of
the overview to see what they have in common.</p></div>
"""

SIGNIFICANT = 0.05
"""p-values from which on a difference is called chance."""

Value: TypeAlias = Callable[[Compared], float | None]
Write: TypeAlias = Callable[[float], str]

SIGNS = {"added": "+", "missing": "−", "changed": "∿", "replaced": "⇄"}
"""How the marks under the chips are explained."""


def chips_html(found: Sequence[Compared]) -> str:
    """Write the chips below each other, with what can be done to each."""
    rows = []
    for place, one in enumerate(found):
        model = one.model
        chip = snac.in_columns(model.design, one.aligned.columns, one.aligned.differences)
        told = button(model.name, "inspect", model.number, label="inspect", hover=model.number)
        if place:
            words = escape(one.words) if one.words else f"the same {one.model.terms.parts}"
            told += button("first", "first", model.number, label=f"compare all with {model.name}")
        else:
            words = "the others are compared with it"
        told += button("×", "drop", model.number, label=f"Compare without {model.name}")
        rows.append(
            f'<div class="chip-row"><div class="row">{told}</div><div class="chip">{chip}</div>'
            f'<p class="hint words">{words}</p></div>'
        )
    signs = " · ".join(f"{sign} {name}" for name, sign in SIGNS.items())
    return (
        f'<div class="chips" data-scroll="chips">{"".join(rows)}</div>'
        f'<p class="hint">{wording.parts(found[0].model.terms)} below each other are those that '
        "the structural distance matches. "
        f"{signs}, against {found[0].model.name}</p>"
    )


def figures_html(found: Sequence[Compared], names: Sequence[str]) -> str:
    """Write the table of figures: the first model's, and the others with their differences."""
    first = found[0]
    terms = first.model.terms
    heads = "".join(f'<th scope="col">{one.model.name}</th>' for one in found)

    def line(name: str, value: Value, write: Write, better: int) -> str:
        base = value(first)
        cells = "".join(
            _figure(value(one), None if one is first else base, write, better) for one in found
        )
        return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'

    rows = [
        line("Accuracy", lambda one: one.model.accuracy, _share, 1),
        line(terms.size.capitalize(), lambda one: one.model.parameters, wording.compact, -1),
        line(terms.work_short, lambda one: one.model.flops, wording.compact, -1),
        line("Seconds per epoch", lambda one: _pace(one.model), lambda value: f"{value:.2g}", -1),
    ]
    classes = [
        line(name, lambda one, label=label: _known(one.recalls[label]), _share, 1)  # type: ignore[misc]
        for label, name in enumerate(names)
    ]
    body = "".join(rows)
    part = (
        f'<tr><th scope="rowgroup" colspan="{len(found) + 1}" class="part">Accuracy by class</th>'
    )
    return (
        '<div class="wide" data-scroll="figures"><table class="figures" '
        f'aria-label="Figures of {_all_of(found)}"><thead><tr><td></td>'
        f"{heads}</tr></thead><tbody>{body}{part}</tr>{''.join(classes)}</tbody></table></div>"
    )


def answers_html(found: Sequence[Compared]) -> str:
    """Write who gets right what the other gets wrong, and whether that may be chance."""
    first = found[0].model
    said = []
    for one in found[1:]:
        if one.paired is None or one.p_value is None:
            said.append(f"<li>{one.model.name}: no answers to compare before both are trained</li>")
            continue
        pair, items = one.paired, first.terms.items
        said.append(
            f"<li><strong>{first.name} and {one.model.name}</strong>: {pair.both:,} {items} "
            f"both get right, {pair.neither:,} neither; {pair.first:,} only {first.name}, "
            f"{pair.second:,} only {one.model.name}. {_verdict(first, one)}</li>"
        )
    return (
        f"<h3>Right and wrong on the same {first.terms.items}</h3>"
        f'<ul class="answers">{"".join(said)}</ul><p class="hint">p: McNemar\'s exact test, '
        "two-sided; how often two equally good models would differ at least so unevenly. For "
        "several comparisons at once, ask for smaller values.</p>"
    )


def matrices_html(found: Sequence[Compared], other: int, names: Sequence[str]) -> str:
    """Write the confusion matrices of the first model and of another, and their difference."""
    first = found[0]
    one = next((each for each in found[1:] if each.model.number == other), found[1])
    head = "<h3>Confusion matrices</h3>"
    if len(found) > 2:
        choices = "".join(
            button(each.model.name, "against", each.model.number, toggle=True) for each in found[1:]
        )
        head += f'<div class="row"><span>{first.model.name} against</span>{choices}</div>'
    if first.matrix is None or one.matrix is None:
        return f'{head}<p class="hint">They appear when both models are trained.</p>'
    if len(names) > matrix.MOST_CLASSES:
        return (
            f'{head}<p class="hint">More than {matrix.MOST_CLASSES} classes are too many to put '
            "side by side; the inspector shows each model's matrix.</p>"
        )
    items = one.model.terms.items
    shown = [
        matrix.matrix_html(
            each.matrix, names, each.model.name, caption=each.model.name, items=items
        )
        for each in (first, one)
        if each.matrix is not None
    ]
    caption = f"{one.model.name} − {first.model.name}"
    shown.append(matrix.difference_html(first.matrix, one.matrix, names, caption, items))
    return (
        f'{head}<div class="matrices">{"".join(shown)}</div><p class="hint">In the difference, '
        f"blue is where {one.model.name} is better, orange where it is worse</p>"
    )


def common_html(found: Common) -> str:
    """Write what many models have in common."""
    kinds = "".join(
        f'<tr><th scope="row">{escape(kind.name)}</th>'
        f"<td>{'all' if kind.models == found.models else f'{kind.models} of {found.models}'}</td>"
        f"<td>{_range(kind.least, kind.most)}</td></tr>"
        for kind in found.kinds
    )
    facts = [
        f"{wording.parts(found.terms)}: {_range(*found.layers)}",
        f"{found.terms.size.capitalize()}: "
        + " to ".join(dict.fromkeys(wording.compact(count) for count in found.parameters)),
    ]
    if found.accuracy is not None:
        low, middle, high = (wording.accuracy(one) for one in found.accuracy)
        facts.append(f"Accuracy: {low} to {high}, median {middle}")
    for word, layers in (("begin", found.begin), ("end", found.end)):
        if layers:
            facts.append(f"All {word} with {', '.join(layers)}")
    listed = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    return (
        f'<h3>What the {found.models} selected models share</h3><ul class="answers">{listed}</ul>'
        f'<table class="figures" aria-label="{wording.parts(found.terms)} of the selected models">'
        "<thead><tr>"
        f'<th scope="col">{found.terms.part.capitalize()}</th><th scope="col">in models</th>'
        f'<th scope="col">how often</th></tr></thead><tbody>{kinds}</tbody></table>'
    )


def _all_of(found: Sequence[Compared]) -> str:
    return ", ".join(one.model.name for one in found)


def _figure(
    value: float | None, base: float | None, write: Callable[[float], str], better: int
) -> str:
    if value is None:
        return "<td>–</td>"
    text = escape(write(value))
    if base is None or value == base:
        return f"<td>{text}</td>"
    change = value - base
    mark = "good" if change * better > 0 else "bad"
    sign = "+" if change > 0 else "−"
    return f'<td>{text} <span class="{mark}">{sign}{escape(write(abs(change)))}</span></td>'


def _verdict(first: Model, one: Compared) -> str:
    assert one.paired is not None
    assert one.p_value is not None
    pair, p = one.paired, one.p_value
    told = f"p = {p:.2g}" if p >= 0.0001 else "p &lt; 0.0001"
    if p >= SIGNIFICANT:
        return f"That may be chance ({told})."
    winner = first.name if pair.first > pair.second else one.model.name
    return f"{winner} is better, hardly by chance ({told})."


def _share(value: float) -> str:
    return f"{value:.3f}"


def _known(value: float) -> float | None:
    return None if isnan(value) else float(value)


def _pace(model: Model) -> float | None:
    return model.seconds / model.epochs if model.epochs else None


def _range(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


@final
class Compare(Viewer):
    """The view of `ExplorerState.comparison` and, where it has many, of the selection."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self._state = state
        self._names = state.study.data.class_names
        self._shown: tuple[Model, ...] = ()
        self._found: tuple[Compared, ...] = ()
        self._against = 0
        self._selected: tuple[Model, ...] = ()
        styles = [STYLE, matrix.STYLE]
        self.side = Sheet(
            self._act, self._hover, html=EMPTY, stylesheets=styles, css_classes=["remap-compare"]
        )
        self.matrices = Sheet(self._act, stylesheets=styles, css_classes=["remap-matrices"])
        self.common = Sheet(self._act, stylesheets=styles, css_classes=["remap-common"])
        self._show()
        state.param.watch(
            lambda _: self._show(), ["snapshot", "comparison", "selection", "tab", "alone"]
        )

    def __panel__(self) -> Viewable:
        return pn.Column(
            self.side, self.matrices, self.common, sizing_mode="stretch_width", margin=0
        )

    def _models(self, numbers: Sequence[int]) -> tuple[Model, ...]:
        models = self._state.snapshot.models
        return tuple(models[number] for number in numbers if number in models)

    def _show(self) -> None:
        state = self._state
        if not state.shows("compare"):
            return
        selected = self._models(state.selection)
        if selected != self._selected:
            self._selected = selected
            self.common.html = common_html(common(selected)) if len(selected) > 1 else ""
        models = self._models(state.comparison)
        # A snapshot shares what did not change: the same records are the same comparison.
        if len(models) == len(self._shown) and all(map(_same, models, self._shown)):
            self._show_empty()
            return
        self._shown = models
        head = f"<h2>{' · '.join(one.name for one in models)}</h2>"
        if len(models) > 1 and not self._found:
            self.side.html = f"{head}<p>comparing what they predict …</p>"
        if len(models) < 2:
            self._found = ()
            self.matrices.html = ""
            self._show_empty()
            return
        study, truth = state.study, state.study.validation_labels

        def work() -> tuple[Compared, ...]:
            predicted = study.predictions_of([one.number for one in models])
            return compare(models, predicted, truth, len(self._names))

        aside(self._state.turns, work, lambda found: self._see(models, found))

    def _see(self, models: tuple[Model, ...], found: tuple[Compared, ...]) -> None:
        if models is not self._shown:
            return
        self._found = found
        self.side.html = (
            f"<h2>{' · '.join(one.name for one in models)}</h2>{chips_html(found)}"
            f"<h3>Figures</h3>{figures_html(found, self._names)}{answers_html(found)}"
        )
        self._show_matrices()

    def _show_matrices(self) -> None:
        others = [one.model.number for one in self._found[1:]]
        if self._against not in others:
            self._against = others[0]
        self.matrices.html = matrices_html(self._found, self._against, self._names)
        self.matrices.pressed = [f"against {self._against}"]

    def _show_empty(self) -> None:
        if len(self._shown) < 2:
            self.side.html = "" if len(self._selected) > 1 else EMPTY

    def _act(self, act: str, value: str) -> None:
        state, number = self._state, int(value) if value.isdecimal() else -1
        rest = [one for one in state.comparison if one != number]
        if number not in state.comparison:
            return
        if act == "inspect":
            state.inspect(number)
            state.tab = "inspector"
        elif act == "drop":
            state.compare(rest)
        elif act == "first":
            state.compare([number, *rest])
        elif act == "against" and self._found:
            self._against = number
            self._show_matrices()

    def _hover(self, value: str) -> None:
        self._state.hovered = int(value) if value.isdecimal() else None


def _same(one: Model, other: Model) -> bool:
    return one is other
