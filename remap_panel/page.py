"""The arrangement of the paper's Fig. 1: overview and drawer on the left, tabs on the right."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from urllib.parse import urlencode

import panel as pn
import panel_material_ui as pmui
from bokeh.application.application import SessionContext
from panel.theme import Design
from panel.viewable import Viewer
from panel_material_ui.notifications import NotificationArea

from remap_panel import frame
from remap_panel.connection import Connection
from remap_panel.feed import Feed
from remap_panel.fragment import Address, Curtain, Fragment
from remap_panel.state import LINKED, ExplorerState
from remap_panel.views import data_selector, header
from remap_panel.views.compare import Compare
from remap_panel.views.data_selector import DataSelector
from remap_panel.views.drawer import Drawer
from remap_panel.views.generate import Generate
from remap_panel.views.header import Header
from remap_panel.views.inspector import Inspector
from remap_panel.views.listing import Listing
from remap_panel.views.needs import NeedsView
from remap_panel.views.overview import Overview
from remap_panel.views.queue import Queue
from remap_ray.errors import RemapError
from remap_ray.study import Status

__all__ = ["make_page", "make_problem_page", "tabs"]

TABS = ("data", "inspector", "compare", "generate", "queue")
"""Names of the tabs as the state and the page's address call them, from left to right."""

DATA, INSPECTOR, COMPARE, GENERATE, QUEUE = range(len(TABS))
"""Places of the tabs."""

BROWSER = re.compile("[0-9a-f]{16}")
"""What a browser is known by: a number that says nothing of who uses it."""

PAGE = """
<header class="header">
<div class="bar-place">{{ early_bar }}{{ embed(roots.bar) }}</div>
<div class="corner">{{ embed(roots.corner) }}</div>
</header>
<div class="notice-place">{{ early_notice }}{{ embed(roots.notice) }}</div>
<main class="main">
<section class="card overview-card">{{ embed(roots.overview) }}
{{ embed(roots.needs) }}</section>
<section class="card drawer-card" aria-label="Model drawer" data-list="drawer">
{{ embed(roots.lists) }}
<div class="stack"><div class="drawer-place">{{ embed(roots.drawer) }}</div>
<div class="listing-place">{{ embed(roots.listing) }}</div></div></section>
<section class="card tabs-card" aria-label="Details">{{ early_data }}{{ embed(roots.tabs) }}
</section>
</main>
<div class="unseen">{{ embed(roots.told) }}{{ embed(roots.address) }}</div>
{{ embed(roots.connection) }}
"""

EARLY_TABS = """
<p class="names"><b>Data selector</b><span>Model inspector</span><span>Compare</span>
<span>Generate models</span><span>Queue</span></p>
"""

EARLY_TABS_STYLE = """
.names {
  display: flex; margin: 0 0 12px; font: 600 13px/1.4 var(--remap-sans); letter-spacing: 0.03em;
  text-transform: uppercase; color: var(--remap-muted); overflow: hidden; white-space: nowrap;
}
.names > * { padding: 10px 12px; }
.names > b { color: var(--remap-accent); box-shadow: inset 0 -2px var(--remap-accent); }
"""

PROBLEM = """
<header class="header"><p class="title">REMAP</p></header>
<main class="card problem-card"><h1>This study cannot be shown</h1><p>{{ words }}</p></main>
"""

TABS_STYLE = {
    "minWidth": 0,
    "width": "100%",
    "& .MuiTabs-root": {"minHeight": 40, "flex": "none"},
    "& .MuiTab-root": {
        "minHeight": 40,
        "minWidth": 0,
        "padding": "6px 12px",
        "fontSize": 13,
        "fontWeight": 600,
        "letterSpacing": "0.03em",
        # On a phone all five are in sight, each in two lines where it has two words.
        "@media (max-width: 600px)": {
            "flex": "1 1 auto",
            "minWidth": "min-content",
            "padding": "6px 3px",
            "fontSize": 11,
            "lineHeight": 1.25,
            "letterSpacing": 0,
        },
    },
    # The panel below the row of tabs scrolls where it is too high.
    "& > .MuiBox-root": {"paddingTop": "12px"},
}

LABEL_STYLE = (
    ":host { font: inherit; color: inherit; letter-spacing: inherit; white-space: nowrap; } "
    "@media (max-width: 600px) { :host { white-space: normal; } }"
)

_followed: list[tuple[SessionContext, Callable[[], None]]] = []
"""Sessions that follow their study, and how to end that."""


def make_page(path: Path) -> frame.Document:
    """Make the page of a study for one browser session.

    Parameters
    ----------
    path
        The study's directory.

    Raises
    ------
    NotAStudy, StudyTooNew
        There is no study that can be shown.
    """
    feed = Feed.of(path)
    _configure()
    state = ExplorerState(feed)
    browser = pn.state.cookies.get("remap-browser", "")
    browser = browser if BROWSER.fullmatch(browser) else secrets.token_hex(8)
    state.recognize(browser)
    state.open_link(_query())
    head = Header(state)
    page = frame.document(
        PAGE,
        f"REMAP · {feed.study.name}",
        browser=browser,
        early_bar=frame.early(head.bar.html, header.BAR_STYLE),
        early_notice=frame.early(head.notice.html, header.NOTICE_STYLE),
        early_data=frame.early(
            EARLY_TABS + data_selector.data_html(feed.study),
            EARLY_TABS_STYLE + data_selector.STYLE,
        ),
    )
    right = pn.Column(sizing_mode="stretch_both", margin=0)
    corner = pn.Column(margin=0)
    # Views are drawn in this order: the overview is what people come for.
    page.add_panel("overview", Overview(state))
    page.add_panel("needs", NeedsView(state))
    page.add_panel("bar", head.bar)
    page.add_panel("notice", head.notice)
    page.add_panel("drawer", Drawer(state))
    listing = Listing(state)
    page.add_panel("lists", listing.choice)
    page.add_panel("listing", listing)
    page.add_panel("tabs", right)
    page.add_panel("corner", corner)
    page.add_panel("told", head.announcement)
    page.add_panel("connection", Connection(margin=0))
    address = Address(query=state.query, margin=0)
    page.add_panel("address", address)
    state.param.watch(lambda *_: address.param.update(query=state.query), list(LINKED))

    def finish() -> None:
        right.extend([tabs(state), Curtain(selector=".tabs-card > .early", margin=0)])
        corner.extend([frame.mode_switch(), *_notifications()])

    # The Material components' script is as large as all others: it comes after the first picture.
    pn.state.onload(finish)
    _follow(state)
    return page


def make_problem_page(error: RemapError) -> frame.Document:
    """Make a page that says why there is no study to show, and what to do."""
    _configure()
    return frame.document(PROBLEM, "REMAP", words=escape(str(error)))


def tabs(state: ExplorerState) -> pn.viewable.Viewable:
    """Arrange the right side: the data selector in front, the inspector at the first inspection.

    What does not stand in front is made in turns of its own, so that nobody waits for all of it.
    """
    queue = _label(_queue_label(state))
    front = TABS.index(state.tab) if state.tab in TABS else DATA
    places = [pn.Column(sizing_mode="stretch_both", margin=0) for _ in TABS]
    views = (DataSelector, Inspector, Compare, Generate, Queue)
    fill = [partial(_fill, *one, state) for one in zip(places, views, strict=True)]
    fill.pop(front)()
    made = pmui.Tabs(
        (_label("Data selector"), places[DATA]),
        (_label("Model inspector"), places[INSPECTOR]),
        (_label("Compare"), places[COMPARE]),
        (_label("Generate models"), places[GENERATE]),
        (queue, places[QUEUE]),
        active=front,
        theme_config=frame.material_theme(),
        sx=TABS_STYLE,
        styles={"min-width": "0"},
        sizing_mode="stretch_both",
        margin=0,
    )
    state.param.watch(lambda _: setattr(queue, "html", _queue_label(state)), "snapshot")
    made.param.watch(lambda event: state.param.update(tab=TABS[event.new]), "active")

    def open_tab(_: object) -> None:
        if state.tab in TABS:
            made.active = TABS.index(state.tab)

    state.param.watch(open_tab, "tab")

    def inspect(_: object) -> None:
        # Whoever watches the queue, or has chosen a tab before, is left where they are.
        if state.tab == TABS[DATA]:
            state.tab = TABS[INSPECTOR]
        state.param.unwatch(watcher)

    if state.inspected is None:
        watcher = state.param.watch(inspect, "inspected")
    _in_turns(fill)
    return made


def _fill(place: pn.Column, view: Callable[[ExplorerState], Viewer], state: ExplorerState) -> None:
    place.append(view(state))


def _in_turns(steps: Sequence[Callable[[], None]]) -> None:
    """Take steps on turns of the session's document, between which others have theirs."""
    document = pn.state.curdoc
    if document is None or document.session_context is None:
        for step in steps:
            step()
        return

    left = list(steps)

    def turn() -> None:
        left.pop(0)()
        if left:
            document.add_next_tick_callback(turn)

    document.add_next_tick_callback(turn)


def _query() -> str:
    """Give the query of the address that the session's page was asked by."""
    asked: dict[str, list[bytes]] = pn.state.session_args or {}
    return urlencode([(k, v.decode("utf-8", "replace")) for k, each in asked.items() for v in each])


def _label(html: str) -> Fragment:
    return Fragment(html=html, margin=0, stylesheets=[LABEL_STYLE])


def _queue_label(state: ExplorerState) -> str:
    counts = state.snapshot.counts
    return f"Queue ({counts[Status.QUEUED] + counts[Status.TRAINING]})"


def _configure() -> None:
    pn.extension(reconnect=True)
    # No style of Panel's own on what is not a Material component.
    pn.config.design = Design
    frame.begin_in_mode()
    # Not by pn.extension, which would load the library of Panel's own notifications besides.
    pn.config.notifications = True


def _notifications() -> tuple[pn.viewable.Viewable, ...]:
    """Give the place of the session's short notes; a page without a session has none."""
    area = pn.state.notifications
    if not isinstance(area, NotificationArea):
        return ()
    area.theme_config = frame.material_theme()
    return (area,)


def _follow(state: ExplorerState) -> None:
    """Have the session follow its study until it is destroyed."""
    # Not every server calls the hook at a session's end: what it left is ended by the next.
    for context, end in _followed.copy():
        if context.destroyed:
            end()
            _followed.remove((context, end))
    document = pn.state.curdoc
    if document is None or document.session_context is None:
        return
    end = state.follow(document)
    _followed.append((document.session_context, end))
    pn.state.on_session_destroyed(lambda _: end())
