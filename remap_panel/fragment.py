"""Small pieces of the page: HTML that is replaced as a whole, and what is said aloud."""

from __future__ import annotations

from typing import ClassVar

import param
from panel.custom import JSComponent

__all__ = ["Announcement", "Curtain", "Fragment"]

UNSEEN = """
:host {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap;
}
"""


class Fragment(JSComponent):
    """A piece of HTML; whatever a person may have written in it is escaped by who makes it.

    Panel's own HTML pane would make every page load a library for formulas, 1.8 MB of script.
    """

    html = param.String(default="", doc="What is shown.")

    _esm = """
export function render({model}) {
  const place = document.createElement("div")
  place.style.display = "contents"
  const show = () => { place.innerHTML = model.html }
  model.on("html", show)
  show()
  return place
}
"""


class Announcement(JSComponent):
    """Says to screen readers what was done, in one element that stays."""

    said = param.String(default="", doc="What was said last.")

    _esm = """
export function render({model}) {
  const region = document.createElement("div")
  region.setAttribute("role", "status")
  region.setAttribute("aria-live", "polite")
  const show = () => { region.textContent = model.said }
  model.on("said", show)
  show()
  return region
}
"""
    _stylesheets: ClassVar[list[str]] = [UNSEEN]


class Curtain(JSComponent):
    """Takes away what stood in for the tabs beside it, once these are on the screen."""

    selector = param.String(default="", doc="The elements of the page that go.")

    _esm = """
export function render({model, view}) {
  let ended = false
  model.on("remove", () => { ended = true })
  const look = () => {
    if (ended) return
    const tabs = view.el.previousElementSibling
    if (!tabs?.shadowRoot?.querySelector("[role=tab]")) {
      requestAnimationFrame(look)
      return
    }
    for (const one of document.querySelectorAll(model.selector)) one.remove()
  }
  requestAnimationFrame(look)
  return document.createElement("div")
}
"""
