"""`Sheet`: HTML whose parts can be pressed and previewed, by mouse, touch and keyboard."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, ClassVar, Literal

import param

from remap_panel.component import Component
from remap_ray.version import VERSION

__all__ = ["STYLE", "Sheet", "button"]

STYLE = """
:host {
  display: block; flex: none; width: 100%; color: var(--remap-text);
  font: 13px/1.45 var(--remap-sans);
  /* Panel allows no more than the height of what holds it: the next would lie on the rest. */
  max-height: none;
}
h2 { margin: 4px 0 8px; font: 600 16px/1.35 var(--remap-sans); overflow-wrap: anywhere; }
h3 { margin: 16px 0 6px; font: 600 14px/1.35 var(--remap-sans); }
p { margin: 0 0 6px; }
.hint { color: var(--remap-muted); font-size: 12px; }
button {
  font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer;
  text-align: inherit;
}
.button {
  padding: 3px 10px; border: 1px solid var(--remap-border); border-radius: 6px;
  background: var(--remap-surface); font-size: 13px; line-height: 1.45; white-space: nowrap;
}
.button:hover { background: var(--remap-row); }
.button[aria-pressed="true"] {
  color: var(--remap-on-accent); background: var(--remap-accent); border-color: var(--remap-accent);
}
.button[aria-disabled="true"] { color: var(--remap-muted); cursor: default; opacity: 0.7; }
button:focus-visible, [tabindex]:focus-visible {
  outline: 2px solid var(--remap-accent); outline-offset: 1px;
}
.row { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
"""


class Sheet(Component):
    """A piece of HTML; whatever a person may have written in it is escaped by who makes it.

    An element with ``data-act`` is pressed by a click, a tap or the keyboard (it had better be a
    ``button``) and sends that name and its ``data-value``; an ``input`` or ``select`` sends its
    value, a tick ``true`` or ``false``, after its ``data-name`` if it has one. One with
    ``data-hover`` sends that value while the mouse or the focus is on it. ``data-key`` names an
    element: the focus stays on it when the HTML changes, and ``pressed`` and ``texts`` speak of
    it.

    Parameters
    ----------
    on_act
        Called with the name and the value of what was pressed.
    on_hover
        Called with the value of what is under the mouse or has the focus, empty after it.
    """

    html = param.String(default="", doc="What is shown.")
    pressed = param.List(default=[], item_type=str, doc="Keys of the toggles that are on.")
    texts = param.Dict(default={}, doc="Text of the elements with `data-text`, by that name.")

    _bundle = "sheet.js"
    _stylesheets: ClassVar[list[str]] = [STYLE]

    def __init__(
        self,
        on_act: Callable[[str, str], None] | None = None,
        on_hover: Callable[[str], None] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(**{"margin": 0, "sizing_mode": "stretch_width", **params})
        self._on_act, self._on_hover = on_act, on_hover

    def _handle_msg(self, data: Any) -> None:
        if not isinstance(data, dict):
            return
        act, value, hover = data.get("act"), data.get("value"), data.get("hover")
        if isinstance(act, str) and isinstance(value, str) and self._on_act:
            self._on_act(act, value)
        elif isinstance(hover, str) and self._on_hover:
            self._on_hover(hover)

    @classmethod
    def _render_esm(cls, compiled: bool | Literal["compiling"] = True, server: bool = False) -> str:
        """Give the script's address where a server has one, else its text."""
        text: str = super()._render_esm(compiled, server)
        # A browser must not run an older release's script from its cache.
        return text if "\n" in text else f"{text}?{VERSION}"


def button(
    words: str,
    act: str,
    value: object = "",
    *,
    label: str = "",
    hover: object = None,
    toggle: bool = False,
    enabled: bool = True,
    kind: str = "button",
) -> str:
    """Write a button as HTML.

    Parameters
    ----------
    words
        What is on it; escaped here.
    act, value
        What it sends; together they are its key.
    label
        What it does, where its words alone do not say so.
    hover
        What it previews.
    toggle
        Whether it is on or off, as `Sheet.pressed` says.
    kind
        Its class in the style sheet.
    """
    value = str(value)
    spoken = any(letter.isalnum() for letter in words) and words not in label
    said = f"{words}: {label}" if label and spoken else label
    given = {
        "class": kind,
        "data-act": act,
        "data-value": value,
        "data-key": f"{act} {value}".strip(),
        "title": label,
        "aria-label": said,
        "data-hover": "" if hover is None else str(hover),
        "aria-pressed": "false" if toggle else "",
        "aria-disabled": "" if enabled else "true",
    }
    text = " ".join(f'{name}="{escape(one)}"' for name, one in given.items() if one)
    return f'<button type="button" {text}>{escape(words)}</button>'
