"""Which handler each story of the browser needs, and the story run without it.

``python -m tests.browser.handlers [STORY ...] [--write]`` takes a copy of the source, removes one
handler, runs the story there, and wants to see it fail where the handler is missed; ``--write``
keeps the day on which it was seen in ``specs/stories.md``. `make nightly` does the same as tests.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import final

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "specs" / "stories.md"
PATIENCE = 30
"""Seconds that a story without its handler waits for what cannot come."""


@final
@dataclass(frozen=True)
class Removed:
    """One handler taken out of the source.

    Parameters
    ----------
    story
        Module and name of the story, such as ``generate::ablate_three_layers``.
    path
        File of the handler.
    was, now
        Its text, which occurs once there, and what stands in its place.
    what
        The handler in words.
    missed
        Part of the line at which the story then fails, or of what is said there.
    patience
        Seconds that the story waits at most for anything.
    """

    story: str
    path: str
    was: str
    now: str
    what: str
    missed: str
    patience: int = PATIENCE

    @property
    def test(self) -> str:
        module, name = self.story.split("::")
        return f"tests/browser/test_{module}.py::test_{name}"

    @property
    def row(self) -> str:
        """Its row in ``specs/stories.md``, up to the day on which it was seen."""
        story = self.story.replace("::", ": ").replace("_", " ")
        return f"| {story} | {self.what} | `{self.path}` |"

    def source(self) -> str:
        """Give the file's text without the handler."""
        text = (ROOT / self.path).read_text(encoding="utf-8")
        assert text.count(self.was) == 1, f"{self.path} no longer has once: {self.was}"
        return text.replace(self.was, self.now)


ESCAPED = ("{escape(words)}</button>", "{words}</button>")

REMOVED = (
    Removed(
        "first_study::look_at_a_study_and_watch_a_model_appear",
        "remap_panel/views/overview.py",
        "            self._state.click(number)\n",
        "            pass\n",
        "a click on a circle",
        'data-id=\\"3\\"',
    ),
    Removed(
        "first_study::an_empty_study_opens_at_once_and_fills",
        "remap_panel/state.py",
        "                document.add_next_tick_callback(self._take)\n",
        "                pass\n",
        "what the study says to a session",
        "nobody trains this study now",
    ),
    Removed(
        "first_study::names_are_shown_as_text",
        "remap_panel/sheet.py",
        *ESCAPED,
        "the escaping of a button's words",
        "assert 'owned'",
    ),
    Removed(
        "first_study::two_browsers_share_the_drawer_of_one_study",
        "remap_panel/state.py",
        "                document.add_next_tick_callback(self._take)\n",
        "                pass\n",
        "what the study says to a session",
        'data-id=\\"4\\"',
    ),
    Removed(
        "around_the_views::the_queue_shows_every_model_and_is_worked_by_keyboard",
        "remap_panel/table.js",
        '    this.root.addEventListener("keydown", (event) => this.key(event))\n',
        "",
        "keys in a table",
        'data-id=\\"1\\"',
    ),
    Removed(
        "around_the_views::an_epoch_costs_little_on_the_wire",
        "remap_panel/table.py",
        "{name: value for name, value in row.items() if old.get(name) != value}",
        "dict(row)",
        "the choice of what changed in a row",
        "assert min(costs) < 5_000",
    ),
    Removed(
        "around_the_views::what_is_hovered_here_lights_up_there",
        "remap_panel/views/queue.py",
        "        self._state.hovered = number\n",
        "        pass\n",
        "a hover in the queue",
        "the drawer's row to light up",
    ),
    Removed(
        "around_the_views::the_mode_is_the_systems_until_it_is_chosen",
        "remap_panel/frame.py",
        '  system.addEventListener("change", show)\n',
        "",
        "the system's change of mode",
        "data-theme",
    ),
    Removed(
        "around_the_views::a_phone_shows_one_column_with_nothing_cut_off",
        "remap_panel/page.css",
        "@media (max-width: 900px)",
        "@media (max-width: 9px)",
        "the arrangement for narrow windows",
        "<= 390",
    ),
    Removed(
        "around_the_views::the_tables_script_stands_alone",
        "remap_panel/table.py",
        '        return _self_contained(text, library.read_text(encoding="utf-8"))\n',
        "        return text\n",
        "the library in the table's script",
        "page.evaluate(",
    ),
    Removed(
        "generate::ablate_three_layers_then_work_the_queue",
        "remap_panel/views/generate.py",
        "        self._state.train(submissions(made))\n",
        "",
        "the button that trains an offer",
        'data-id=\\"5\\"',
    ),
    Removed(
        "generate::strike_variations_out_and_go_on_after_a_reload",
        "remap_panel/views/generate.py",
        "struck=chosen.struck ^ {place}",
        "struck=chosen.struck",
        "the striking out of a proposal",
        "is-struck",
    ),
    Removed(
        "generate::strike_variations_out_and_go_on_after_a_reload",
        "remap_panel/views/generate.py",
        "draft=_form(editor.draft, model)",
        "draft=None",
        "the keeping of a handcraft in the study",
        "drop0.25 dense32",
    ),
    Removed(
        "generate::handcraft_the_three_models_of_section_7",
        "remap_panel/snac/editor_gestures.js",
        '      if (from === "palette") this.insert(press.kind, target)\n',
        '      if (from === "palette") return\n',
        "a drop from the palette",
        "conv8x3 conv16x3",
    ),
    Removed(
        "generate::handcraft_the_three_models_of_section_7",
        "remap_panel/snac/editor.js",
        '    if (target.closest(".palette")) this.key_in_palette(event)\n    else if',
        "    if",
        "keys in the palette",
        "dropout",
    ),
    Removed(
        "models::the_drawer_is_sorted_arranged_annotated_and_undone",
        "remap_panel/views/drawer.py",
        "            on_move=state.arrange,\n",
        "",
        "the moving of a row",
        "the new order in the study",
    ),
    Removed(
        "models::two_models_are_compared",
        "remap_panel/views/drawer.py",
        "            state.compare([one for one in order if one in self._ticked])\n",
        "",
        "the comparison of the ticked models",
        "m6 · m7",
    ),
    Removed(
        "models::classes_are_chosen_and_a_hard_image_recolours",
        "remap_panel/views/data_selector.py",
        "            self._state.choose_class(labels[0])\n",
        "            pass\n",
        "a click on a class",
        "aria-pressed=true",
    ),
    Removed(
        "models::a_cell_of_the_matrix_shows_its_images",
        "remap_panel/views/inspector.py",
        "            self._show_cell(model, (numbers[0], numbers[1]))\n",
        "            pass\n",
        "a click on a cell of the matrix",
        ".remap-images .item",
    ),
    Removed(
        "models::hostile_class_names_are_text_in_every_view",
        "remap_panel/sheet.py",
        *ESCAPED,
        "the escaping of a button's words",
        "to_have_text(EVIL)",
    ),
    Removed(
        "models::hostile_names_and_reasons_are_text_where_models_are_made",
        "remap_panel/table.js",
        '    return element("span", {textContent: value})\n',
        '    return element("span", {innerHTML: value})\n',
        "that a cell of a table is text",
        "by_class",
    ),
    Removed(
        "snac_editor::layers_are_chosen_by_mouse_and_by_keyboard",
        "remap_panel/snac/editor_gestures.js",
        '      if (press.from === "strip") this.choose(this.chosen)\n',
        "",
        "the end of a brush",
        "(2, 4, 5, 6), not [2]",
    ),
    Removed(
        "snac_editor::what_may_vary_is_switched_one_by_one_and_together",
        "remap_panel/snac/editor_gestures.js",
        "      this.allow(places, ",
        "      void (places, ",
        "the switches below a layer",
        "remove at (0, 1, 3",
    ),
    Removed(
        "snac_editor::the_three_models_of_section_7_by_drag_and_drop",
        "remap_panel/snac/editor_gestures.js",
        "      else this.wish({move: [press.base, target]})\n",
        "",
        "the dropping of moved layers",
        "waited too long for drop0.3 conv16x3",
    ),
    Removed(
        "snac_editor::the_same_by_keyboard_alone",
        "remap_panel/snac/editor.js",
        "      this.palette.querySelector('[tabindex=\"0\"]')?.focus()\n",
        "",
        "the key that goes to the palette",
        'kind("conv")).to_be_focused()',
    ),
    Removed(
        "snac_editor::the_same_by_touch_on_a_phone",
        "remap_panel/snac/editor.js",
        'root.addEventListener("touchmove", (event) => this.touched(event), {passive: false})',
        "",
        "the refusal to have a drag taken for a fling",
        "waited too long for conv16x3",
    ),
    Removed(
        "snac_editor::layers_are_brushed_by_touch",
        "remap_panel/snac/editor_gestures.js",
        '    if (press.does === "brush") this.brush(event)\n    else this.drag(event)',
        '    if (press.does !== "brush") this.drag(event)',
        "the brush",
        "four brushed",
    ),
    Removed(
        "snac_editor::from_nothing_from_text_and_from_another_model",
        "remap_panel/snac/editor.js",
        '    this.text.addEventListener("change", () => this.wish({text: this.text.value}))\n',
        "",
        "the line of text",
        "did you mean relu?",
    ),
    Removed(
        "snac_editor::without_a_baseline_one_builds_from_nothing",
        "remap_panel/snac/editor_gestures.js",
        "      else this.insert(press.kind)\n",
        "",
        "a click on a kind of the palette",
        "waited too long for conv16x3 relu",
    ),
    Removed(
        "snac_editor::what_is_pressed_quickly_is_done_in_turn",
        "remap_panel/snac/editor_gestures.js",
        "    while (this.next.length && !this.waits) this",
        "    while (this.next.length) this",
        "the waiting of a step for the one before",
        "waited too long for conv16x3",
    ),
    Removed(
        "other_spaces::two_columns_are_ablated_and_their_children_seen",
        "remap_panel/views/generate.py",
        "        self._state.train(submissions(made))\n",
        "",
        "the button that trains an offer",
        'data-id=\\"6\\"',
    ),
    Removed(
        "jupyterlab::the_tour_in_jupyterlab",
        "remap_panel/views/overview.py",
        "            self._state.click(number)\n",
        "            pass\n",
        "a click on a circle",
        ".remap-drawer",
        # A cell of a notebook takes longer than a page.
        patience=90,
    ),
    Removed(
        "whole_space::baselines_are_found_as_in_the_paper",
        "remap_panel/views/overview.py",
        "            self._state.click(number)\n",
        "            pass\n",
        "a click on a circle",
        "in the drawer",
    ),
    Removed(
        "whole_space::the_best_for_two_classes_under_a_limit_takes_four_clicks",
        "remap_panel/views/needs.py",
        "        if not isinstance(message, dict):\n",
        "        if True:\n",
        "what a person says they need",
        "60 fit",
    ),
    Removed(
        "whole_space::two_browsers_share_the_drawer_and_nothing_else",
        "remap_panel/page.py",
        "    state.open_link(_query())\n",
        "",
        "the opening of a link",
        "the link's view",
    ),
    Removed(
        "whole_space::a_new_server_in_the_middle_of_a_handcraft",
        "remap_panel/connection.py",
        "      window.location.reload()\n",
        "",
        "the loading of the page again",
        "connection to REMAP is lost",
    ),
    Removed(
        "whole_space::a_new_server_in_the_middle_of_a_handcraft",
        "remap_panel/views/generate.py",
        "draft=_form(editor.draft, model)",
        "draft=None",
        "the keeping of a handcraft in the study",
        "drop0.25",
    ),
    Removed(
        "whole_space::ten_thousand_models_are_selected_and_searched",
        "remap_panel/views/overview.js",
        "    model.send_msg({select: [...new Set([...before, ...found])]})\n",
        "",
        "the end of a lasso",
        "a selection",
    ),
    Removed(
        "whole_space::hostile_names_and_notes_are_text_everywhere",
        "remap_panel/captions.py",
        "on {escape(chosen)} <strong>",
        "on {chosen} <strong>",
        "the escaping of class names in a circle's card",
        'get_by_role("tooltip")).to_contain_text(f"on',
    ),
    Removed(
        "whole_space::the_overview_is_worked_by_keyboard",
        "remap_panel/views/overview.js",
        "      if (next != null) point_at(next, true)\n",
        "",
        "the arrow keys on the overview",
        "a step",
    ),
)


def run_without(one: Removed, folder: Path, patience: int = 0) -> str:
    """Run a story without its handler in a copy of the source; gives where and how it failed.

    Raises
    ------
    AssertionError
        The story did not fail, or elsewhere than where the handler is missed.
    """
    for name in ("remap_ray", "remap_panel", "notebooks", "tests", "pyproject.toml"):
        whole = ROOT / name
        if whole.is_dir():
            shutil.copytree(whole, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(whole, folder / name)
    (folder / one.path).write_text(one.source(), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", one.test, "-q", "-x", "-p", "no:cacheprovider"]
    environment = os.environ | {
        "REMAP_PATIENCE": str(patience or one.patience),
        "PYTHONDONTWRITEBYTECODE": "1",
        # For processes that are started elsewhere, such as a notebook's kernel.
        "PYTHONPATH": str(folder),
    }
    done = subprocess.run(
        [*command, "-m", "", "--tb=short", f"--basetemp={folder / 'run'}"],
        capture_output=True, text=True, check=False, cwd=folder, env=environment,
    )  # fmt: skip
    said = done.stdout[-6_000:]
    assert done.returncode == 1, (
        f"{one.story} does not miss {one.what}: {said}{done.stderr[-2000:]}"
    )
    where = failure(done.stdout, one.test)
    assert where, f"{one.story} itself did not fail without {one.what}: {said}"
    assert one.missed in where, f"{one.story} failed elsewhere without {one.what}: {where[:1_000]}"
    return where


def failure(said: str, test: str) -> str:
    """Give the line of a story at which it failed, and what is said there.

    Parameters
    ----------
    said
        What pytest printed, with short tracebacks.
    test
        Its file, ``::`` and its name.

    Returns
    -------
    str
        Empty where the story itself did not fail: neither what was made ready for it, nor what
        was looked at after it, is its failure.
    """
    path, _, name = test.partition("::")
    failed = re.search(rf"^_+ {name} _+$(.*?)(?=^[_=-]{{3,}} |\Z)", said, re.DOTALL | re.MULTILINE)
    if failed is None:
        return ""
    lines = failed[1].splitlines()
    place = re.compile(rf"{re.escape(path)}:\d+: in test_")
    at = next((number for number, line in enumerate(lines) if place.match(line)), None)
    if at is None:
        return ""
    own = []
    for line in lines[at + 1 :]:
        if not line.startswith("    "):
            break
        own.append(line.strip())
    wrong = [line[1:].strip() for line in lines if line.startswith("E  ")]
    return " ".join([*own, "→", *wrong])


def with_day(page: str, one: Removed, day: str) -> str:
    """Give the page with the day on which a story was seen to fail; empty where it was not."""
    start = page.index(one.row) + len(one.row)
    return f"{page[:start]} {day} |".replace("  |", " |") + page[page.index("\n", start) :]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run stories without their handlers; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.handlers", description=__doc__)
    parser.add_argument("stories", nargs="*", metavar="STORY", help="part of a name; default: all")
    parser.add_argument("--patience", type=int, default=0, help="seconds to wait")
    parser.add_argument("--write", action="store_true", help=f"write the day to {PAGE.name}")
    given = parser.parse_args(arguments)
    wrong = 0
    for one in REMOVED:
        if given.stories and not any(part in one.story for part in given.stories):
            continue
        with tempfile.TemporaryDirectory(prefix="remap-without-") as folder:
            day = ""
            try:
                said = f"fails: {run_without(one, Path(folder), given.patience)}"
                day = f"{datetime.now(UTC):%Y-%m-%d}"
            except AssertionError as error:
                wrong += 1
                said = f"NOT AS EXPECTED: {error}"
        if given.write:
            page = with_day(PAGE.read_text(encoding="utf-8"), one, day)
            PAGE.write_text(page, encoding="utf-8")
        sys.stdout.write(f"{one.story} without {one.what}: {said}\n")
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
