"""The header: which study this is, how its queue stands, and what keeps it from going on."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import final

import panel as pn
from panel.viewable import Viewable, Viewer

from remap_panel.fragment import Announcement, Fragment
from remap_panel.snapshot import Snapshot
from remap_panel.state import ExplorerState
from remap_ray.study import Status, Study, duration

__all__ = [
    "BAR_STYLE",
    "NOTICE_STYLE",
    "Header",
    "Notice",
    "counts",
    "counts_html",
    "notice",
    "notice_html",
    "title_html",
]

COUNTED = (
    ("training", Status.TRAINING),
    ("waiting", Status.QUEUED),
    ("done", Status.DONE),
    ("failed", Status.FAILED),
)


@final
@dataclass(frozen=True)
class Notice:
    """What a person should know and can do: words, and a command that helps."""

    words: str
    command: str = ""


def counts(snapshot: Snapshot) -> tuple[str, ...]:
    """Say how many models stand where, and how long the queue will take."""
    said = [
        f"{word} {snapshot.counts[status]}"
        for word, status in COUNTED
        if snapshot.counts[status] or status is Status.DONE
    ]
    left = snapshot.seconds_left
    if left and snapshot.heartbeat.alive:
        said.append(f"~{duration(left)} left")
    return tuple(said)


def notice(
    snapshot: Snapshot, path: Path, problem: str, *, read_only: bool = False
) -> Notice | None:
    """Say what keeps the study from going on; None where nothing does."""
    if problem:
        return Notice(f"The study cannot be read now; this is tried again. {problem}")
    if read_only:
        return Notice(
            "This study is read-only: you can look at it, but nothing can be changed or trained. "
            "To go on with it, copy its directory to where it can be written."
        )
    if not snapshot.models:
        return Notice(
            "This study has no models yet. To sample and train some, run",
            f"remap sample {shlex.quote(str(path))} --models 100",
        )
    waiting = snapshot.counts[Status.QUEUED] + snapshot.counts[Status.TRAINING]
    if not waiting or snapshot.heartbeat.alive:
        return None
    wait = "1 model waits" if waiting == 1 else f"{waiting} models wait"
    return Notice(
        f"Nobody trains this study now, and {wait}. To go on, run",
        f"remap train {shlex.quote(str(path))}",
    )


def title_html(study: Study, snapshot: Snapshot) -> str:
    """Write the study's name, data set and size as HTML."""
    models = len(snapshot.models)
    facts = (
        f"{study.data.name}, {len(study.data.class_names)} classes · "
        f"{models} {'model' if models == 1 else 'models'}"
    )
    return (
        f'<h1 class="title">REMAP · {escape(study.name)}</h1><p class="facts">{escape(facts)}</p>'
    )


def counts_html(snapshot: Snapshot) -> str:
    """Write how the queue stands as HTML; the dot is lit while someone trains."""
    alive = snapshot.heartbeat.alive and snapshot.counts[Status.TRAINING] > 0
    dot = f'<span class="dot{" is-alive" if alive else ""}" aria-hidden="true">●</span>'
    said = " · ".join(f"<span>{escape(one)}</span>" for one in counts(snapshot))
    return f'<p class="counts">{dot} {said}</p>'


def notice_html(found: Notice | None) -> str:
    """Write a notice as HTML; empty where there is none."""
    if found is None:
        return ""
    command = f" <code>{escape(found.command)}</code>" if found.command else ""
    return f'<p class="notice">{escape(found.words)}{command}</p>'


BAR_STYLE = """
:host { display: block; width: 100%; }
h1, p { margin: 0; font: 16px/1.3 var(--remap-sans); }
.bar {
  display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline;
  gap: 2px 24px;
}
.name { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 12px; min-width: 0; }
.title { color: var(--remap-header-text); font-weight: 600; overflow-wrap: anywhere; }
.facts { color: var(--remap-header-muted); font-size: 14px; overflow-wrap: anywhere; }
.counts {
  color: var(--remap-header-text); font-size: 15px; font-variant-numeric: tabular-nums;
}
.counts span { white-space: nowrap; }
.dot { color: var(--remap-header-muted); }
.dot.is-alive { color: var(--remap-highlight); animation: breathe 2s ease-in-out; }
@keyframes breathe { 50% { opacity: 0.35; } }
@media (prefers-reduced-motion: reduce) { .dot.is-alive { animation: none; } }
"""

NOTICE_STYLE = """
:host { display: block; width: 100%; }
.notice {
  margin: 12px 12px 0; padding: 9px 14px; color: var(--remap-text);
  font: 14px/1.5 var(--remap-sans); background: var(--remap-surface);
  border: 1px solid var(--remap-border);
  border-left: 4px solid var(--remap-highlight); border-radius: 6px; overflow-wrap: anywhere;
}
code {
  padding: 2px 6px; font: 13px var(--remap-mono); background: var(--remap-row);
  border-radius: 4px; user-select: all;
}
"""


class Header(Viewer):
    """The title bar, the notice under it, and what is said to screen readers."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self._state = state
        self.bar = Fragment(html=self.bar_html(), stylesheets=[BAR_STYLE], margin=0)
        self.notice = Fragment(html=self._notice_html(), stylesheets=[NOTICE_STYLE], margin=0)
        self.announcement = Announcement(said=state.told)
        state.param.watch(lambda _: self._update(), ["snapshot", "problem"])
        state.param.watch(lambda event: self.announcement.param.update(said=event.new), "told")

    def __panel__(self) -> Viewable:
        return pn.Column(self.bar, self.notice, self.announcement, sizing_mode="stretch_width")

    def bar_html(self) -> str:
        """Write the title bar of now as HTML."""
        study, snapshot = self._state.study, self._state.snapshot
        name = f'<div class="name">{title_html(study, snapshot)}</div>'
        return f'<div class="bar">{name}{counts_html(snapshot)}</div>'

    def _notice_html(self) -> str:
        state = self._state
        study = state.study
        found = notice(state.snapshot, study.path, state.problem, read_only=study.read_only)
        return notice_html(found)

    def _update(self) -> None:
        self.bar.html = self.bar_html()
        self.notice.html = self._notice_html()
