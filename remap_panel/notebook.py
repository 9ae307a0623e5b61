"""`explore`: a study in a notebook, as one state and as many views of it as are wanted.

The page of `remap_panel.page` is a document of its own; a notebook has cells. What is shown here
is made of the same views, in frames that bring the page's colours along. Nothing here uses
panel-material-ui, which under a notebook takes its script from a distant host.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, final
from weakref import WeakSet

import panel as pn
from bokeh.document import Document
from bokeh.model import Model
from bokeh.models.ui.ui_element import UIElement
from panel.io.notebook import patch_inline_stylesheets
from panel.io.resources import set_resource_mode
from panel.theme import Design
from panel.viewable import Viewable, Viewer

from remap_panel import theme
from remap_panel.background import BackgroundTraining, train
from remap_panel.feed import Feed
from remap_panel.fragment import Choice, Fragment
from remap_panel.kernel import KernelTurns, hear_on_the_kernel
from remap_panel.sheet import Sheet, button
from remap_panel.state import ExplorerState
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
from remap_ray.study import Status, Study

__all__ = ["Explorer", "View", "explore"]

TABS = {
    "data": "Data selector",
    "inspector": "Model inspector",
    "compare": "Compare",
    "generate": "Generate models",
    "queue": "Queue",
}
"""What stands beside the overview, with what its switch says."""

FRAME = f"""
:host {{
  {theme.css_variables(theme.LIGHT)} color-scheme: light; box-sizing: border-box;
  color: var(--remap-text); background: var(--remap-surface);
  font: 14px/1.45 var(--remap-sans);
}}
:host(.card) {{
  padding: 10px 12px; border: 1px solid var(--remap-border); border-radius: 8px;
  overflow: hidden;
}}
:host(.scrolls) {{ overflow: auto; }}
"""

BAR = ":host { background: var(--remap-header); padding: 8px 14px; box-sizing: border-box; }"

STACK = """
:host(:not([data-list="drawer"])) > .drawer-place { display: none; }
:host([data-list="drawer"]) > .listing-place { display: none; }
"""
"""Of the drawer and the list in its place, the chosen one is seen."""

TOLD = """
:host { display: block; }
p { margin: 0; padding: 0 2px; min-height: 1.4em; color: var(--remap-muted); font-size: 12.5px; }
"""

WIDGETS = ("ipywidgets", "vscode")
"""What Panel calls notebooks that show widgets of Jupyter's and no outputs of its own."""

HEIGHTS = {"overview": 520, "drawer": 300, "queue": 420}
"""Heights in px of the views that fill their frame; others are as high as what they show."""


@final
class NotebookState(ExplorerState):
    """The state of a notebook's views, where a click is also how one model is selected."""

    def click(self, number: int) -> None:
        """Put a model into the drawer, inspect it, and select it alone."""
        super().click(number)
        self.select([number])


class Frame(pn.Column):
    """A column that is told when the output it stood in is gone, as by a cell that is run again.

    Where a notebook shows Jupyter's widgets alone, as VS Code does, it is one.
    """

    def __init__(self, *views: Any, **params: Any) -> None:
        super().__init__(*views, **params)
        self.when_gone: Callable[[], None] = lambda: None

    def get_root(
        self, doc: Document | None = None, comm: Any = None, preprocess: bool = True
    ) -> Model:
        """Make its Bokeh model; that of a widget has a document and all styles in it."""
        if pn.config.comms not in WIDGETS:
            return super().get_root(doc, comm, preprocess)
        doc = doc or Document()
        root = super().get_root(doc, comm, preprocess)
        # Else the widget makes a document of its own, and what is sent goes to this one.
        for old in doc.roots:
            doc.remove_root(old)
        doc.add_root(root)
        for one in root.select({"type": UIElement}):
            patch_inline_stylesheets(one)
        return root

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if pn.config.comms not in WIDGETS:
            return super()._repr_mimebundle_(include, exclude)
        with set_resource_mode("inline"):
            widget = pn.ipywidget(self)
        # Combined, of several messages of a table only the last would be heard.
        widget.combine_events = False
        if turns := KernelTurns.here():
            hear = widget._sync_model  # noqa: SLF001 - it has no public name for its only hearer
            widget.on_msg(hear, remove=True)
            widget.on_msg(lambda *message: turns.take(partial(hear, *message)))
        return widget._repr_mimebundle_(include=include, exclude=exclude), {}

    def _cleanup(self, root: Any = None) -> None:
        super()._cleanup(root)
        if not self._models:
            self.when_gone()


@final
class View(Viewer):
    """One view of an explorer, made anew wherever it is shown, always on the same state."""

    def __init__(self, of: str, make: Callable[[], Frame]) -> None:
        super().__init__()
        self._of = of
        self._make = make

    def __panel__(self) -> Viewable:
        return self._make()

    def __repr__(self) -> str:
        return f"<{self._of}>"


@final
class Explorer(Viewer):
    """A study in a notebook: as the last line of a cell, the whole page.

    ``overview``, ``drawer``, ``needs``, ``data``, ``inspector``, ``compare``, ``generate`` and
    ``queue`` are single views; whatever is shown, and however often, follows one ``state``:
    ``state.selection`` is the list of the selected models' numbers, ``state.inspected`` the
    number of the inspected one.

    Parameters
    ----------
    path
        The study's directory.

    Raises
    ------
    NotAStudy, StudyTooNew
        There is no study that can be shown.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.training: BackgroundTraining | None = None
        self._shown: WeakSet[Frame] = WeakSet()
        feed = Feed.of(path)
        self.state = NotebookState(feed)
        self._end = self.state.follow(KernelTurns.here())
        # After all views, whose parts of Bokeh's own wait to be sent.
        self.state.param.watch(lambda *_: self._push(), list(ExplorerState.param), precedence=9)

    def __panel__(self) -> Viewable:
        return self._followed(self._page)

    def __repr__(self) -> str:
        models = len(self.state.snapshot.models)
        return f"<explorer of {self.study.path}: {models} models>"

    @property
    def study(self) -> Study:
        """The study that is shown."""
        return self.state.study

    def train(self, **options: Any) -> BackgroundTraining:
        """Have what waits trained by a process of its own, as `remap_panel.train` does."""
        self.training = train(self.study.path, **options)
        return self.training

    def close(self) -> None:
        """End following the study; training goes on."""
        self._end()

    @property
    def overview(self) -> View:
        """All models as circles, with the needs under them."""
        return self._view(
            "overview", lambda: self._frame(*self._overview(), height=HEIGHTS["overview"])
        )

    @property
    def needs(self) -> View:
        """What a model may cost, and the best one under that."""
        return self._view("needs", lambda: self._frame(NeedsView(self.state)))

    @property
    def drawer(self) -> View:
        """The kept models, and the models as lists: ranking, front, selected, nearest."""
        return self._view("drawer", lambda: self._drawer(HEIGHTS["drawer"]))

    @property
    def data(self) -> View:
        """The classes, what is confused, and the hard images."""
        return self._alone("data")

    @property
    def inspector(self) -> View:
        """The inspected model: chip, figures, curves, confusion matrix."""
        return self._alone("inspector")

    @property
    def compare(self) -> View:
        """Two to six models side by side."""
        return self._alone("compare")

    @property
    def generate(self) -> View:
        """Ablations, variations and handcrafts of the inspected model, and its children."""
        return self._alone("generate")

    @property
    def queue(self) -> View:
        """The models that wait, train or were trained."""
        return self._alone("queue")

    def _alone(self, tab: str) -> View:
        def make() -> Frame:
            if tab not in self.state.alone:
                self.state.alone = [*self.state.alone, tab]
            view = _view_of_tab(tab, self.state)
            return self._frame(view, height=HEIGHTS.get(tab))

        return self._view(TABS[tab].lower(), make)

    def _view(self, name: str, make: Callable[[], Frame]) -> View:
        return View(f"{name} of {self.study.name}", lambda: self._followed(make))

    def _followed(self, make: Callable[[], Frame]) -> Frame:
        """Make what follows the state until its output is gone."""
        before = _watchers(self.state).keys()
        frame = make()
        made = [one for key, one in _watchers(self.state).items() if key not in before]

        def end() -> None:
            here = _watchers(self.state).keys()
            for one in made:
                if id(one) in here:
                    self.state.param.unwatch(one)

        frame.when_gone = end
        return frame

    def _overview(self) -> tuple[Viewer, ...]:
        return Overview(self.state), NeedsView(self.state)

    def _drawer(self, height: int) -> Frame:
        listing = Listing(self.state)
        places = (
            pn.Column(view, sizing_mode="stretch_both", margin=0, css_classes=[f"{name}-place"])
            for name, view in (("drawer", Drawer(self.state)), ("listing", listing))
        )
        return self._frame(listing.choice, *places, height=height, styles=(STACK,))

    def _page(self) -> Frame:
        """Arrange the whole, as the paper's Fig. 1 does; where it is narrow, in one column."""
        state = self.state
        head = Header(state)
        told = Fragment(html=_told(state), stylesheets=[TOLD], margin=0)
        state.param.watch(lambda _: told.param.update(html=_told(state)), "told")
        left = pn.Column(
            self._frame(*self._overview(), height=540),
            self._drawer(290),
            margin=0,
            styles={"flex": "1 1 400px", "min-width": "min(400px, 100%)", "gap": "10px"},
        )
        right = pn.Column(
            self._tabs(840),
            margin=0,
            styles={"flex": "2 1 520px", "min-width": "min(520px, 100%)"},
        )
        return self._remember(
            Frame(
                pn.Column(head.bar, stylesheets=[BAR], sizing_mode="stretch_width", margin=0),
                head.notice,
                self._offer(),
                told,
                pn.Row(
                    left,
                    right,
                    sizing_mode="stretch_width",
                    margin=0,
                    styles={"flex-wrap": "wrap", "gap": "10px"},
                ),
                stylesheets=[FRAME],
                sizing_mode="stretch_width",
                margin=0,
            )
        )

    def _offer(self) -> Viewable:
        """Offer to train what waits, where nobody does."""
        state = self.state

        def act(*_: str) -> None:
            try:
                self.train()
            except RemapError as error:
                state.complain(str(error))
            else:
                state.told = "training starts"

        sheet = Sheet(act, html=_offer_html(state), css_classes=["remap-offer-training"])
        state.param.watch(lambda _: sheet.param.update(html=_offer_html(state)), "snapshot")
        return sheet

    def _tabs(self, height: int) -> Viewable:
        state = self.state
        state.tab = state.tab if state.tab in TABS else "data"
        choice = Choice(label="Details", options=TABS, value=state.tab, marks="tab", margin=0)
        places = {
            tab: pn.Column(
                _view_of_tab(tab, state),
                sizing_mode="stretch_both" if tab in HEIGHTS else "stretch_width",
                margin=0,
                visible=tab == state.tab,
            )
            for tab in TABS
        }

        def show(_: object) -> None:
            choice.value = state.tab
            for tab, place in places.items():
                place.visible = tab == state.tab

        def inspect(_: object) -> None:
            if state.tab == "data":
                state.tab = "inspector"
            state.param.unwatch(first)

        choice.param.watch(lambda event: state.param.update(tab=event.new), "value")
        state.param.watch(show, "tab")
        if state.inspected is None:
            first = state.param.watch(inspect, "inspected")
        return self._frame(choice, *places.values(), height=height, classes=("scrolls",))

    def _frame(
        self,
        *views: Viewable | Viewer,
        height: int | None = None,
        styles: tuple[str, ...] = (),
        classes: tuple[str, ...] = (),
    ) -> Frame:
        """Put views into a card that brings the page's colours along."""
        size = {"height": height} if height else {}
        return self._remember(
            Frame(
                *views,
                stylesheets=[FRAME, *styles],
                css_classes=["card", *classes],
                sizing_mode="stretch_width",
                margin=0,
                **size,
            )
        )

    def _remember(self, shown: Frame) -> Frame:
        self._shown.add(shown)
        return shown

    def _push(self) -> None:
        """Send what was changed of Bokeh's own models, which a notebook does not do by itself."""
        pn.io.push_notebook(*self._shown)


def explore(study: str | Path | Study, *, train: bool = False) -> Explorer:
    """Explore a study in a notebook.

    As the last line of a cell it shows the whole page::

        seen = remap_panel.explore("sketches")
        seen

    and ``seen.state.selection`` in a later cell is what was selected there.

    Parameters
    ----------
    study
        The study or its directory.
    train
        Whether what waits, and what will be wished, is trained by a process of its own, which is
        started where nobody trains the study.

    Raises
    ------
    NotAStudy, StudyTooNew
        There is no study that can be shown.
    """
    _configure()
    found = Explorer((study.path if isinstance(study, Study) else Path(study)).absolute())
    if train:
        found.train()
    return found


def _configure() -> None:
    hear_on_the_kernel()
    # All scripts stand in the notebook itself: nothing is asked of another host.
    pn.extension(inline=True)
    # No style of Panel's own: the frames bring theirs.
    pn.config.design = Design


def _watchers(state: ExplorerState) -> dict[int, Any]:
    """Give all that watches a state, by identity."""
    kinds = state.param.watchers.values()
    return {id(one): one for kind in kinds for each in kind.values() for one in each}


def _view_of_tab(tab: str, state: ExplorerState) -> Viewer:
    views: dict[str, Callable[[ExplorerState], Viewer]] = {
        "data": DataSelector,
        "inspector": Inspector,
        "compare": Compare,
        "generate": Generate,
        "queue": Queue,
    }
    return views[tab](state)


def _told(state: ExplorerState) -> str:
    return f'<p role="status">{escape(state.told)}</p>'


def _offer_html(state: ExplorerState) -> str:
    snapshot = state.snapshot
    waiting = snapshot.counts[Status.QUEUED] + snapshot.counts[Status.TRAINING]
    if not waiting or snapshot.heartbeat.alive or state.study.read_only:
        return ""
    return button("Train them beside this notebook", "train")
