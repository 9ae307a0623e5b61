"""The page around the views: header, classes, tabs, and whose session it is."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import panel as pn
import pytest
from bokeh.document import Document
from panel.io.state import set_curdoc

from remap_panel import app, frame, page
from remap_panel.feed import Feed
from remap_panel.snapshot import Snapshot, advance
from remap_panel.state import ExplorerState
from remap_panel.views import header
from remap_panel.views.data_selector import cards, cards_html, facts
from remap_panel.views.header import Header, Notice
from remap_ray.errors import InvalidRequest, NotAStudy
from remap_ray.study import Heartbeat, Status, Study, Thumbnail
from tests import synthetic
from tests.processes import free_port, wait_for

EVIL = '<img src="x" onerror="alert(1)">'


class Text(HTMLParser):
    """The text of a piece of HTML and the names of its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.tags: list[str] = []
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    @property
    def text(self) -> str:
        return " ".join("".join(self.said).split())


@pytest.fixture
def session() -> Iterator[Document]:
    """A document as a browser's session has one: what is configured is configured for it."""
    document = Document()
    with set_curdoc(document):
        yield document
    Feed.close_all()


def snapshot_of(study: Study, **changed: object) -> Snapshot:
    found = advance(Snapshot(), study.changes(), study.heartbeat())
    return replace(found, **changed)


ALIVE = Heartbeat(1, "someone", alive=True, seconds=0.1, workers=2, said="training")


# Header


def test_the_header_counts_what_is_there(toy_study_full: Study) -> None:
    assert header.counts(snapshot_of(toy_study_full)) == ("waiting 3", "done 30")
    said = header.counts(snapshot_of(toy_study_full, heartbeat=ALIVE))
    assert said[:2] == ("waiting 3", "done 30")
    assert said[2].startswith("~")
    assert said[2].endswith(" left")


def test_the_header_of_an_empty_study_counts_none(toy_study: Study) -> None:
    assert header.counts(snapshot_of(toy_study)) == ("done 0",)
    title = Text(header.title_html(toy_study, snapshot_of(toy_study)))
    assert title.text == "REMAP · toytoy, 10 classes · 0 models"


def test_failed_models_are_counted_once_there_are_any(toy_study_full: Study) -> None:
    models = dict(toy_study_full_models(toy_study_full))
    models[1] = replace(models[1], status=Status.FAILED, reason="memory ran out")
    said = header.counts(snapshot_of(toy_study_full, models=models))
    assert said == ("waiting 3", "done 29", "failed 1")


def toy_study_full_models(study: Study) -> dict[int, object]:
    return {one.number: one for one in study.models()}


def test_the_dot_is_lit_only_while_someone_trains(toy_study_full: Study) -> None:
    models = toy_study_full_models(toy_study_full)
    models[31] = replace(models[31], status=Status.TRAINING)
    training = snapshot_of(toy_study_full, models=models)
    assert "is-alive" not in header.counts_html(training)
    assert "is-alive" in header.counts_html(replace(training, heartbeat=ALIVE))
    assert "is-alive" not in header.counts_html(snapshot_of(toy_study_full, heartbeat=ALIVE))


def test_where_nobody_trains_and_models_wait_it_is_said_what_to_do(toy_study_full: Study) -> None:
    path = Path("/somewhere/my study")
    found = header.notice(snapshot_of(toy_study_full), path, "")
    assert found == Notice(
        "Nobody trains this study now, and 3 models wait. To go on, run",
        "remap train '/somewhere/my study'",
    )
    assert header.notice(snapshot_of(toy_study_full, heartbeat=ALIVE), path, "") is None


def test_a_study_with_nothing_to_train_needs_nobody(tmp_path: Path) -> None:
    with synthetic.full_study(tmp_path / "done", done=2, waiting=0) as study:
        assert header.notice(snapshot_of(study), study.path, "") is None
    assert header.notice_html(None) == ""


def test_an_empty_study_says_how_to_fill_it(toy_study: Study) -> None:
    found = header.notice(snapshot_of(toy_study), Path("/somewhere/my study"), "")
    assert found == Notice(
        "This study has no models yet. To sample and train some, run",
        "remap sample '/somewhere/my study' --models 100",
    )


def test_a_study_that_cannot_be_read_comes_first(toy_study_full: Study) -> None:
    found = header.notice(snapshot_of(toy_study_full), toy_study_full.path, "disk I/O error")
    assert found is not None
    assert found.words.endswith("disk I/O error")
    assert found.command == ""


@pytest.mark.promise("PAGE-8")
def test_what_a_person_wrote_is_text_in_the_header(tmp_path: Path) -> None:
    with synthetic.empty_study(tmp_path / "<b>bold</b>".replace("/", "")) as study:
        title = Text(header.title_html(study, snapshot_of(study)))
    assert "<b>bold<b>" in title.text
    assert "b" not in title.tags
    notice = Text(header.notice_html(Notice(EVIL, EVIL)))
    assert notice.text == f"{EVIL} {EVIL}"
    assert notice.tags == ["p", "code"]


def test_the_header_follows_the_session(toy_study_full: Study, session: Document) -> None:
    state = ExplorerState(Feed.of(toy_study_full.path))
    view = Header(state)
    assert "3 models wait" in view.notice.html
    assert "done 30" in view.bar.html
    state.snapshot = snapshot_of(toy_study_full, heartbeat=ALIVE)
    assert view.notice.html == ""
    state.problem = "disk I/O error"
    assert "disk I/O error" in view.notice.html
    state.told = "m3 is in the drawer"
    assert view.announcement.said == "m3 is in the drawer"


# Data selector


def test_every_class_has_a_card_with_its_images(toy_study: Study) -> None:
    pngs = [Thumbnail(1, b"one"), Thumbnail(0, b"nought"), Thumbnail(1, b"another")]
    found = cards(("a", "b", "c"), pngs)
    assert [(one.label, one.name, one.images) for one in found] == [
        (0, "a", (b"nought",)),
        (1, "b", (b"one", b"another")),
        (2, "c", ()),
    ]


def test_a_class_without_images_says_so(toy_study: Study) -> None:
    html = Text(cards_html(cards(("a", "b"), [Thumbnail(0, synthetic.PNG)])))
    assert html.text == "a0 to validatebThe study holds no images of this class.0 to validate"
    assert html.tags.count("img") == 1


def test_tiny_images_show_their_pixels_and_large_ones_do_not() -> None:
    large = synthetic.PNG[:16] + (64).to_bytes(4, "big") * 2 + synthetic.PNG[24:]
    html = cards_html(cards(("a", "b"), [Thumbnail(0, synthetic.PNG), Thumbnail(1, large)]))
    assert html.count("is-tiny") == 1


@pytest.mark.promise("PAGE-8")
def test_class_names_are_text_on_the_cards() -> None:
    html = Text(cards_html(cards((EVIL,), [Thumbnail(0, synthetic.PNG)])))
    assert html.text == f"{EVIL}0 to validate"
    assert html.tags == ["ul", "li", "h3", "button", "div", "img", "p", *["span"] * 3]


def test_the_data_set_is_told_in_words(toy_study: Study) -> None:
    assert facts(toy_study.data) == (
        "toy: 10 classes of grey images, 8×8 pixels · 1,000 train the models, 200 validate them, "
        "200 are kept for a last test"
    )


# The whole


def shown(path: Path, document: Document) -> frame.Document:
    made = page.make_page(path)
    made.server_doc(document)
    return made


@pytest.mark.parametrize("models", [(0, 0), (1, 0), (0, 2), (30, 3)])
def test_the_page_is_made_for_any_study(
    models: tuple[int, int], tmp_path: Path, session: Document
) -> None:
    synthetic.full_study(tmp_path / "study", *models).close()
    shown(tmp_path / "study", session)
    assert session.title == "REMAP · study"
    names = [root.name for root in session.roots]
    # The first of them is drawn first.
    assert names[0] == "overview"
    assert {"bar", "notice", "drawer", "tabs", "corner", "told"} <= set(names)


def test_the_first_paint_needs_no_script(toy_study_full: Study, session: Document) -> None:
    made = shown(toy_study_full.path, session)
    early = made._render_variables
    assert "done 30" in early["early_bar"]
    assert "class 9" in early["early_data"]


def test_there_is_no_page_of_what_is_no_study(tmp_path: Path, session: Document) -> None:
    with pytest.raises(NotAStudy):
        page.make_page(tmp_path)


def test_the_problem_page_says_what_is_wrong_as_text(session: Document) -> None:
    made = page.make_problem_page(InvalidRequest(EVIL))
    words = Text(made._render_variables["words"])
    assert (words.text, words.tags) == (EVIL, [])


@pytest.mark.parametrize("arguments", [(), ("one", "two")])
def test_the_app_wants_one_study(arguments: tuple[str, ...], session: Document) -> None:
    words = app.page_for(arguments)._render_variables["words"]
    assert "name one study: panel serve remap_panel/app.py --args STUDY" in words


def test_the_app_shows_a_study_or_says_why_not(toy_study: Study, session: Document) -> None:
    assert app.page_for([str(toy_study.path)]).title == "REMAP · toy"
    words = app.page_for([str(toy_study.path / "none")])._render_variables["words"]
    assert "does not exist" in words


def tabs_of(study: Study) -> tuple[ExplorerState, pn.viewable.Viewable]:
    state = ExplorerState(Feed.of(study.path))
    return state, page.tabs(state)


def test_the_first_inspection_brings_the_inspector_forward(
    toy_study_full: Study, session: Document
) -> None:
    state, tabs = tabs_of(toy_study_full)
    assert tabs.active == page.DATA
    state.click(3)
    assert tabs.active == page.INSPECTOR
    # Who goes back has chosen so.
    tabs.active = page.DATA
    state.click(4)
    assert tabs.active == page.DATA


def test_whoever_watches_the_queue_is_left_there(toy_study_full: Study, session: Document) -> None:
    state, tabs = tabs_of(toy_study_full)
    tabs.active = page.QUEUE
    state.click(3)
    assert tabs.active == page.QUEUE


def test_the_queue_tab_counts_what_trains_and_waits(
    toy_study_full: Study, session: Document
) -> None:
    state, tabs = tabs_of(toy_study_full)
    label = tabs._headers[page.QUEUE]
    assert label.html == "Queue (3)"
    state.study.cancel(31)
    state.snapshot = snapshot_of(state.study)
    assert label.html == "Queue (2)"


@pytest.mark.parametrize(
    ("cookies", "mode"),
    [({}, "light"), ({"remap-mode": "dark"}, "dark"), ({"remap-mode": "?"}, "light")],
)
def test_the_server_begins_in_the_mode_that_was_shown_last(
    cookies: dict[str, str], mode: str, session: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(pn.state), "cookies", property(lambda _: cookies))
    frame.begin_in_mode()
    assert pn.config.theme == {"light": "default", "dark": "dark"}[mode]


# Sessions


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Feed]]:
    """A server that gives up sessions without a browser at once, and the study's feed."""
    synthetic.full_study(tmp_path / "study", done=2, waiting=1).close()
    path = tmp_path / "study"
    port = free_port()
    thread = pn.serve(
        lambda: page.make_page(path),
        port=port,
        address="127.0.0.1",
        threaded=True,
        show=False,
        verbose=False,
        unused_session_lifetime_milliseconds=1,
        check_unused_sessions_milliseconds=50,
    )
    yield f"http://127.0.0.1:{port}/", Feed.of(path)
    thread.stop()
    thread.join()
    Feed.close_all()


def get(url: str) -> str:
    text = ""

    def answered() -> bool:
        nonlocal text
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                text = answer.read().decode()
        except OSError:
            return False
        return True

    wait_for(answered, "an answer")
    return text


def test_a_session_that_is_over_follows_the_study_no_more(served: tuple[str, Feed]) -> None:
    url, feed = served
    text = get(url)
    assert "<title>REMAP · study</title>" in text
    # Scripts that nothing needs are not loaded.
    scripts = [name for name in ("bokeh", "bokeh-widgets", "bokeh-gl") if f"/{name}.min.js" in text]
    assert scripts == ["bokeh", "bokeh-widgets"]
    wait_for(lambda: not feed._subscribers, "the end of the subscription")


def test_a_session_whose_end_nobody_told_is_ended_by_the_next(
    toy_study: Study, session: Document
) -> None:
    ended: list[bool] = []
    dead = SimpleNamespace(destroyed=True)
    alive = SimpleNamespace(destroyed=False)
    page._followed.extend(
        [(dead, lambda: ended.append(True)), (alive, lambda: ended.append(False))]
    )
    page.make_page(toy_study.path)
    assert ended == [True]
    assert [context for context, _ in page._followed] == [alive]
    page._followed.clear()
