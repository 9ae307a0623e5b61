"""What the page does when its server does not answer: says so, and comes back by itself.

A server that was only out of reach finds its session again. One that was started anew knows
nothing of the page's session: the page is loaded again, and its address brings the view back.
"""

from __future__ import annotations

import secrets
from typing import ClassVar, final

import param
from tornado.web import RequestHandler

from remap_panel.component import Component

__all__ = ["ALIVE", "SERVER", "Alive", "Connection"]

ALIVE = "/remap-server"
"""Where a server says which one it is."""

SERVER = secrets.token_hex(8)
"""What tells this server process from others."""

STYLE = """
:host { display: contents; }
p {
  position: fixed; inset: 8px 0 auto; z-index: 2000; width: fit-content;
  max-width: min(46em, 100vw - 24px);
  margin: 0 auto; padding: 10px 16px; font: 14px/1.5 var(--remap-sans); color: var(--remap-text);
  background: var(--remap-surface); border: 1px solid var(--remap-border);
  border-left: 4px solid var(--remap-bad); border-radius: 6px;
  box-shadow: 0 4px 18px rgb(0 0 0 / 30%);
}
p[hidden] { display: none; }
"""


@final
class Alive(RequestHandler):
    """Answers which server this is."""

    def get(self) -> None:
        """Write the server's name; nothing may keep an old answer."""
        self.set_header("Cache-Control", "no-store")
        self.write(SERVER)


class Connection(Component):
    """Says that the connection is lost, and loads the page again once there is a new server."""

    server = param.String(default=SERVER, doc="The server that made this page.")
    path = param.String(default=ALIVE, doc="Where a server says which one it is.")
    words = param.String(
        default="The connection to REMAP is lost; training goes on without it. The page comes back "
        "by itself once its server answers again (remap serve).",
        doc="What is said meanwhile.",
    )

    _esm = """
const LOOK_MS = 1000
const FORGIVEN = 5 // looks that a server of another kind has for finding the session again

// Bokeh takes models that came later than the page for new ones of the browser's, and sends the
// whole of them back with the first message of theirs; the server then says that it knows them.
const known = new WeakSet()
function knowWhatTheServerSent(page) {
  if (known.has(page) || page._new_models == null) return
  known.add(page)
  const apply = page.apply_json_patch.bind(page)
  page.apply_json_patch = (...patch) => {
    const own = new Set(page._new_models)
    apply(...patch)
    for (const one of page._new_models) {
      if (!own.has(one)) page._new_models.delete(one)
    }
  }
}

export function render({model, view}) {
  const notice = document.createElement("p")
  notice.textContent = model.words
  notice.hidden = true
  notice.setAttribute("role", "alert")
  const page = view.model.document
  knowWhatTheServerSent(page)
  let looking = 0, looks = 0, back = false, here = ""
  const look = async () => {
    looking = 0
    let answer = null
    try {
      answer = await fetch(new URL(`.${model.path}`, document.baseURI), {cache: "no-store"})
    } catch {
      // Nobody answers yet: the notice says so.
    }
    const named = answer?.ok ? await answer.text() : null
    // Who does not say which server it is may be another: the page is loaded again.
    const unnamed = answer != null && named == null && (back || ++looks > FORGIVEN)
    if (unnamed || (named != null && named !== model.server)) {
      // A new server may have taken the page for a new one, and its address with it.
      history.replaceState(history.state, "", here)
      window.location.reload()
    } else if (back && answer != null) {
      notice.hidden = true
    } else {
      looking = setTimeout(look, LOOK_MS)
    }
  }
  const begin = () => {
    if (looking === 0) looking = setTimeout(look, back ? 0 : LOOK_MS)
  }
  page.on_event("connection_lost", () => {
    if (notice.hidden) here = window.location.href
    notice.hidden = false
    back = false
    looks = 0
    begin()
  })
  page.on_event("client_reconnected", () => {
    back = true
    clearTimeout(looking)
    looking = 0
    begin()
  })
  return notice
}
"""
    _stylesheets: ClassVar[list[str]] = [STYLE]
