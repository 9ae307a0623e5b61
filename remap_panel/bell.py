"""`Bell`: a desktop notification when there is nothing more to train, if the person wants."""

from __future__ import annotations

from typing import ClassVar

import param

from remap_panel.component import Component

__all__ = ["Bell"]

STYLE = """
button {
  padding: 3px 10px; font: 13px/1.45 var(--remap-sans); color: var(--remap-text); cursor: pointer;
  background: var(--remap-surface); border: 1px solid var(--remap-border); border-radius: 6px;
  white-space: nowrap;
}
button:hover { background: var(--remap-row); }
button:focus-visible { outline: 2px solid var(--remap-accent); outline-offset: 1px; }
button[aria-pressed="true"] {
  color: var(--remap-on-accent); background: var(--remap-accent); border-color: var(--remap-accent);
}
"""


class Bell(Component):
    """A switch that each browser remembers; it tells while the page is open, in any tab."""

    said = param.String(default="", doc="What to notify of; empty while there is work left.")

    _esm = """
const KEPT = "remap-notify"

export function render({model}) {
  const button = document.createElement("button")
  button.type = "button"
  const possible = "Notification" in window
  let refused = false
  const on = () => possible && Notification.permission === "granted" &&
    localStorage.getItem(KEPT) === "yes"
  const show = () => {
    button.setAttribute("aria-pressed", String(on()))
    const not = refused || !possible
    button.textContent = not ? "Notifications are not allowed here" : "Notify when empty"
    button.title = not
      ? "Allow notifications for this address in the browser's settings, then press again"
      : "A desktop notification when nothing is left to train, while this page is open"
  }
  button.addEventListener("click", async () => {
    if (on()) {
      localStorage.removeItem(KEPT)
    } else if (possible) {
      refused = await Notification.requestPermission() !== "granted"
      if (!refused) localStorage.setItem(KEPT, "yes")
    }
    show()
  })
  model.on("said", () => {
    if (model.said && on()) new Notification("REMAP", {body: model.said})
  })
  show()
  return button
}
"""
    _stylesheets: ClassVar[list[str]] = [STYLE]
