"""Small pieces of the page: HTML that is replaced as a whole, and what is said aloud."""

from __future__ import annotations

from typing import ClassVar

import param

from remap_panel.component import Component

__all__ = ["Address", "Announcement", "Choice", "Curtain", "Fragment"]

UNSEEN = """
:host {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap;
}
"""

CHOICE = """
:host { display: block; }
fieldset {
  display: flex; margin: 0; padding: 0; overflow: hidden; border: 1px solid var(--remap-border);
  border-radius: 6px; font: 11.5px/1.4 var(--remap-sans); color: var(--remap-text);
}
legend { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
label { position: relative; cursor: pointer; }
label + label { border-left: 1px solid var(--remap-border); }
input { position: absolute; inset: 0; margin: 0; appearance: none; cursor: pointer; }
span { display: block; padding: 3px 7px; white-space: nowrap; }
label:hover span { background: var(--remap-row); }
input:checked + span { background: var(--remap-accent); color: var(--remap-on-accent); }
input:focus-visible + span { outline: 2px solid var(--remap-accent); outline-offset: -4px; }
input:checked:focus-visible + span { outline-color: var(--remap-on-accent); }
"""


class Fragment(Component):
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


class Announcement(Component):
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


class Curtain(Component):
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


class Choice(Component):
    """One of a few, as a row of radio buttons; the card around it says what is chosen.

    The surrounding ``.card`` gets the attribute ``data-<marks>``, by which a style sheet shows
    what belongs to the choice.
    """

    label = param.String(default="", doc="What is chosen, for screen readers.")
    options = param.Dict(default={}, doc="Words by value.")
    value = param.String(default="", doc="The chosen value.")
    marks = param.String(default="", doc="Name of the card's attribute.")

    _esm = """
export function render({model, view}) {
  const group = document.createElement("fieldset")
  const legend = Object.assign(document.createElement("legend"), {textContent: model.label})
  const radios = Object.entries(model.options).map(([value, words]) => {
    const radio = Object.assign(document.createElement("input"), {
      type: "radio", name: view.model.id, value,
    })
    radio.addEventListener("change", () => { model.value = value })
    const label = document.createElement("label")
    label.dataset.value = value
    label.append(radio, Object.assign(document.createElement("span"), {textContent: words}))
    group.append(label)
    return radio
  })
  group.prepend(legend)
  const show = () => {
    for (const radio of radios) radio.checked = radio.value === model.value
    const card = view.el.closest(".card") ?? view.el.getRootNode().host?.closest(".card")
    if (card != null) card.dataset[model.marks] = model.value
  }
  model.on("value", show)
  requestAnimationFrame(show)
  show()
  return group
}
"""
    _stylesheets: ClassVar[list[str]] = [CHOICE]


class Address(Component):
    """Keeps the page's address up to date, so that a link opens the same view.

    The entry in the browser's history is replaced: going back leaves the page, as people expect.
    """

    query = param.String(default="", doc="What is looked at, without the question mark.")

    _esm = """
export function render({model}) {
  const show = () => {
    const {pathname, search, hash} = window.location
    const wanted = model.query === "" ? "" : `?${model.query}`
    if (search !== wanted) history.replaceState(history.state, "", `${pathname}${wanted}${hash}`)
  }
  model.on("query", show)
  show()
  return document.createElement("div")
}
"""
