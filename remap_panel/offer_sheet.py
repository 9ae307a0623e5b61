"""The Generate tab's settings, offer and preview as HTML. Pure; what a person wrote is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from remap_panel import snac, wording
from remap_panel.children import Summary, marked, marks
from remap_panel.proposals import Offer, Offered, price
from remap_panel.settings import CHANGES, COUNTS, MODES, Settings
from remap_panel.sheet import button
from remap_ray.space import ModelSpace
from remap_ray.space.part import Part
from remap_ray.space.spaces import entry
from remap_ray.study import Model, duration

__all__ = [
    "STYLE",
    "children_html",
    "controls_html",
    "head_html",
    "preview_html",
    "price_html",
]

STYLE = """
h2 { margin: 0; font-size: 15px; }
.head { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; }
.head > .modes { display: flex; gap: 4px; margin-left: auto; }
.facts { color: var(--remap-muted); }
.parent { display: inline-flex; gap: 6px; align-items: center; padding: 2px 8px;
  border: 1px dotted var(--remap-muted); border-radius: 6px; }
.parent svg { display: block; }
.controls { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; }
label { display: inline-flex; gap: 6px; align-items: center; }
input[type="number"], input[type="text"] {
  width: 5.2em; padding: 3px 6px; color: var(--remap-text); font: inherit;
  background: var(--remap-surface); border: 1px solid var(--remap-border); border-radius: 6px;
}
input.wide { width: 7.5em; }
input:focus-visible, summary:focus-visible {
  outline: 2px solid var(--remap-accent); outline-offset: 1px;
}
input[type="checkbox"] { accent-color: var(--remap-accent); }
details { flex: 1 1 100%; }
summary { cursor: pointer; color: var(--remap-muted); }
.kinds { display: flex; flex-wrap: wrap; gap: 4px 12px; padding: 4px 0; }
.offer { display: flex; flex-wrap: wrap; gap: 6px 12px; align-items: center; margin: 4px 0; }
.train {
  padding: 6px 14px; color: var(--remap-on-accent); font-weight: 600;
  background: var(--remap-accent); border-radius: 6px; white-space: nowrap;
}
.train[aria-disabled="true"] { opacity: 0.5; cursor: default; }
.price { margin: 0; padding: 0; list-style: none; }
.price li:first-child { font-weight: 600; }
.price li:not(:first-child) { display: inline; color: var(--remap-muted); font-size: 12px; }
.price li:not(:first-child):not(:last-child)::after { content: " · "; }
ul.preview {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 6px;
  margin: 4px 0 0; padding: 0; max-height: 216px; overflow: auto; list-style: none;
}
ul.preview > li {
  display: flex; gap: 8px; align-items: center; padding: 4px 8px; min-width: 0; min-height: 44px;
  border: 1px solid var(--remap-border); border-radius: 6px;
}
ul.preview .chip { flex: 0 0 88px; overflow: hidden; line-height: 0; }
ul.preview .chip svg { max-width: 88px; }
ul.preview .told { flex: 1; min-width: 0; line-height: 1.3; }
ul.preview .words { display: block; overflow-wrap: anywhere; }
ul.preview .cost { color: var(--remap-muted); font-size: 12px; }
ul.preview .problem { color: var(--remap-bad); font-size: 12px; }
ul.preview .exists { color: var(--remap-muted); font-size: 12px; font-style: italic; }
ul.preview .tools { display: flex; flex: none; gap: 4px; }
li.is-struck .words { text-decoration: line-through; color: var(--remap-muted); }
li.is-struck .chip { opacity: 0.35; }
.tool {
  flex: none; width: 26px; height: 26px; text-align: center; color: var(--remap-muted);
  border: 1px solid var(--remap-border); border-radius: 6px;
}
.tool:hover { color: var(--remap-text); background: var(--remap-row); }
.summaries { margin: 2px 0 4px; color: var(--remap-muted); font-size: 12px; }
.summaries span:not(:last-child)::after { content: " · "; }
.empty { padding: 36px 12px; text-align: center; color: var(--remap-muted); }
.note { color: var(--remap-muted); font-size: 12px; }
@media (max-width: 600px) {
  ul.preview { grid-template-columns: minmax(0, 1fr); }
  .head > .modes { margin-left: 0; }
  ul.preview { max-height: none; }
}
@media (pointer: coarse) { .tool { width: 36px; height: 34px; } }
"""

EMPTY = (
    '<div class="empty"><p><strong>Choose a baseline to generate models from</strong></p>'
    "<p>Click a circle in the overview, or a model in the drawer: its children are made here.</p>"
    "</div>"
)


def head_html(model: Model | None, parent: Model | None) -> str:
    """Write which model is worked on, where it comes from, and the switch of the three modes."""
    if model is None:
        return EMPTY
    come = ""
    if parent is not None:
        come = (
            f'<span class="parent">child of {snac.svg(parent.design, "small")}'
            f"{button(parent.name, 'parent', parent.number, label='make it the baseline')}</span>"
        )
    modes = "".join(
        button(words, "mode", mode, toggle=True, label="") for mode, words in MODES.items()
    )
    repeat = ""
    if model.accuracy is not None:
        repeat = button("⚄", "repeat", label="repeat the baseline with another seed", kind="tool")
    facts = f"{model.parameters:,} {model.terms.size} · accuracy {wording.accuracy(model.accuracy)}"
    if model.accuracy is None:
        facts += " (not trained yet: its children wait for it to be compared with)"
    return (
        f'<div class="head"><h2>Baseline {model.name}</h2><span class="facts">{facts}</span>'
        f"{repeat}{come}"
        f'<div class="modes" role="group" aria-label="How children are made">{modes}</div></div>'
    )


def controls_html(settings: Settings, space: ModelSpace) -> str:
    """Write what can be set in the mode of now."""
    limit = settings.parameters
    usual = space.limits.parameters
    terms = entry(space.kind).design.terms
    hint = "any" if usual is None else f"{usual:,}"
    most = (
        '<label>children of at most <input class="wide" type="text" inputmode="numeric" '
        'data-act="parameters" '
        f'data-key="parameters" value="{"" if limit is None else f"{limit:,}"}" '
        f'placeholder="{hint}" aria-label="{terms.size.capitalize()} of a child at most"> '
        f"{terms.size}</label>"
    )
    if settings.mode != "variations":
        return f'<div class="controls">{most}</div>'
    low, high = settings.changes
    new = space.new_kinds
    known = list(new)
    kinds = "".join(
        f'<label><input type="checkbox" data-act="kind" data-name="{kind} " data-key="kind {kind}"'
        f"{' checked' if not settings.kinds or kind in settings.kinds else ''}> "
        f"{escape(new[kind].name)}</label>"
        for kind in known
    )
    some = "all kinds"
    if settings.kinds:
        some = wording.listed([new[kind].name for kind in known if kind in settings.kinds], 4)
    return (
        '<div class="controls">'
        f"{_count('models', 'count', settings.count, *COUNTS)}"
        f"{_count('changes each, from', 'fewest', low, CHANGES[0], high)}"
        f"{_count('to', 'most', high, low, CHANGES[1])}{most}"
        f'<details data-key="kinds" aria-label="New {terms.parts}">'
        f"<summary>New {terms.parts}: {escape(some)}</summary>"
        f'<div class="kinds">{kinds}</div></details></div>'
    )


def _count(words: str, act: str, value: int, low: int, high: int) -> str:
    return (
        f'<label>{words} <input type="number" data-act="{act}" data-key="{act}" min="{low}" '
        f'max="{high}" value="{value}"></label>'
    )


def price_html(made: Offer, *, drawing: bool = False) -> str:
    """Write the price of an offer, and the button that pays it."""
    count = len(made.trained)
    words = {
        "ablations": ("Train the ablation", f"Train {count} ablations"),
        "variations": ("Train the variation", f"Train {count} variations"),
        "handcrafted": ("Train the handcraft", ""),
    }[made.mode]
    label = words[0] if count == 1 or not words[1] else words[1]
    if not count:
        label = {"ablations": "Train ablations", "variations": "Train variations"}.get(
            made.mode, words[0]
        )
    train = button(label, "train", enabled=count > 0 and not drawing, kind="train")
    said = ("drawing variations …",) if drawing else price(made)
    again = ""
    if made.mode == "variations":
        again = button("Draw others", "draw", label="draw all of the preview anew")
    listed = "".join(f"<li>{escape(one)}</li>" for one in said)
    return f'<div class="offer">{train}<ul class="price">{listed}</ul>{again}</div>'


def preview_html(made: Offer, layers: Sequence[Part]) -> str:
    """Write the children of an offer, each with its words, its cost, and why not where not.

    Parameters
    ----------
    layers
        The baseline's.
    """
    if made.mode == "handcrafted" or not made.children:
        return ""
    cards = "".join(
        _card(place, one, layers, tools=made.mode == "variations")
        for place, one in enumerate(made.children)
        # Which ablations exist is told with the price, and seen in the table below.
        if made.mode == "variations" or one.exists is None
    )
    if not cards:
        return ""
    return f'<ul class="preview" data-scroll="preview" aria-label="Preview">{cards}</ul>'


def _card(place: int, one: Offered, layers: Sequence[Part], *, tools: bool) -> str:
    proposal = one.proposal
    made = proposal.architecture
    chip = "" if made is None else marked(made, marks(proposal.edits, layers))
    words = escape(proposal.words or "no change")
    buttons = ""
    if tools:
        sign = "↶" if one.struck else "×"
        what = "take it in again" if one.struck else "strike it out"
        buttons = button(sign, "strike", place, label=f"{what}: {proposal.words}", kind="tool")
        if not one.struck:
            buttons += button(
                "⟳", "redraw", place, label=f"draw another: {proposal.words}", kind="tool"
            )
    said = []
    if one.exists is not None:
        said.append(f'<span class="exists">{escape(proposal.problem or "")}</span>')
    elif proposal.problem is not None:
        said.append(f'<span class="problem">! {escape(proposal.problem)}</span>')
    if made is not None and proposal.problem is None:
        sign = "+" if (one.more or 0) > 0 else "−"
        more = "as many as the baseline"
        if one.more:
            more = f"{sign}{wording.compact(abs(one.more))}"
        about = "" if one.seconds is None else f" · about {duration(one.seconds)}"
        cost = f"{made.parameter_count:,} {made.terms.size} ({more}){about}"
        said.append(f'<span class="cost">{cost}</span>')
    struck = ' class="is-struck"' if one.struck else ""
    tools_html = f'<span class="tools">{buttons}</span>' if buttons else ""
    return (
        f'<li{struck} data-place="{place}"><span class="chip">{chip}</span><span class="told">'
        f'<span class="words">{words}</span>{"".join(said)}</span>{tools_html}</li>'
    )


def children_html(count: int, baseline: str, found: Sequence[Summary], *, descendants: bool) -> str:
    """Write the title of the table of children, and what kinds of change did."""
    what = "descendants" if descendants else "children"
    title = f"{count} {what} of {baseline}" if count else f"No {what} of {baseline} yet"
    if count == 1:
        title = f"1 {what.removesuffix('ren').removesuffix('s')} of {baseline}"
    toggle = button("All descendants", "descendants", toggle=True)
    said = "".join(
        f'<span title="from {one.least:+.3f} to {one.most:+.3f}, each against its parent">'
        f"{escape(one.text)}</span>"
        for one in found[:8]
    )
    listed = f'<p class="summaries">Alone, {said}</p>' if said else ""
    return (
        f'<div class="head"><h2>{escape(title)}</h2><div class="modes">{toggle}</div></div>{listed}'
    )
