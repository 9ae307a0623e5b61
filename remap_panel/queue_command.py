"""``remap queue``: a study's queue, and every wish that one can have of it."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from remap_panel import status, wording
from remap_ray.errors import InvalidRequest
from remap_ray.space import Design, ModelSpace, spaces
from remap_ray.study import (
    Model,
    Origin,
    Status,
    Study,
    Submission,
    open_study,
    reasons,
    space_of,
)

__all__ = ["add_queue", "queue_form", "read_network"]

PIPED_WIDTH = 240

Say = Callable[[str], None]
Wish = Callable[[Study, argparse.Namespace, Say], None]


def add_queue(commands: Any, say: Say) -> None:
    """Add ``queue`` to the subcommands of ``remap``; ``say`` prints a line."""
    parser = commands.add_parser(
        "queue", help="show a study's queue, or change it", description=__doc__
    )
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study's directory")
    parser.set_defaults(run=_run(_list, say), json=False)
    wishes = parser.add_subparsers(dest="wish", metavar="WISH", parser_class=type(parser))

    def add(name: str, wish: Wish, says: str) -> argparse.ArgumentParser:
        one: argparse.ArgumentParser = wishes.add_parser(name, help=says, description=says)
        one.set_defaults(run=_run(wish, say))
        return one

    one = add("list", _list, "show every model with its reason (what no wish at all does too)")
    one.add_argument("--json", action="store_true", help="for programs")
    one = add("submit", _submit, "queue a network of your own")
    one.add_argument(
        "network",
        metavar="TEXT_OR_JSON",
        help="such as 'conv16x3 relu max2 dense64', or its JSON, or a file with either",
    )
    one.add_argument("--epochs", type=int, metavar="N", help="default: the recipe's")
    one.add_argument("--words", default="", metavar="TEXT", help="what it is, for people")
    one = add("move", _move, "train waiting models earlier or later, in the order given")
    _add_models(one)
    where = one.add_mutually_exclusive_group(required=True)
    where.add_argument("--to", type=_place, metavar="PLACE", help="first, last, or 1, 2, 3 ...")
    where.add_argument("--before", type=_number, metavar="MODEL", help="a waiting model")
    one = add("cancel", _cancel, "do not train waiting models, stop training ones")
    _add_models(one)
    add("pause", _pause, "train nothing until it is resumed; what trains goes on from where it was")
    add("resume", _resume, "go on with a paused queue")
    one = add("retry", _retry, "train models that failed or were cancelled")
    _add_models(one)
    one.add_argument("--anew", action="store_true", help="from the first epoch, whatever is kept")
    one = add("longer", _longer, "train models for further epochs, from where they ended")
    _add_models(one)
    one.add_argument("--epochs", type=int, required=True, metavar="K", help="how many more")
    one = add("repeat", _repeat, "train a model's network again with another seed")
    one.add_argument("model", type=_number, metavar="MODEL")
    one.add_argument("--times", type=int, default=1, metavar="N", help="default 1")
    one = add("delete", _delete, "take models that nobody descends from out of the study")
    _add_models(one)
    one = add("restore", _restore, "bring deleted models back, with all that they had")
    _add_models(one)
    add("compact", _compact, "remove deleted models for good, with their files")
    one = add("workers", _workers, "how many models train at a time; without N, REMAP chooses")
    one.add_argument("workers", type=int, nargs="?", metavar="N")
    one.add_argument("--gpus-per-model", type=float, metavar="F", help="share of a GPU for each")


def read_network(text: str, study: Study) -> Design:
    """Read a network that a person wrote, for a study's images and classes.

    Parameters
    ----------
    text
        The one-line text, the JSON, or the path of a file that holds either.

    Raises
    ------
    InvalidRequest, InvalidArchitecture
    """
    stripped = text.strip()
    if not stripped.startswith("{") and len(stripped) < 1000 and Path(stripped).is_file():
        try:
            stripped = Path(stripped).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"{text} cannot be read ({error})") from error
    if not stripped.startswith("{"):
        shape, classes = study.data.input_shape, len(study.data.class_names)
        kept = space_of(study)
        return _known(spaces.design_from_text(stripped, kept.kind, shape, classes), kept)
    try:
        form = json.loads(stripped)
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"the network is no JSON ({error})") from error
    # What every network of the study has may be left out.
    if not isinstance(form, dict):
        raise InvalidRequest("the network is no JSON object")
    known = {"input_shape": list(study.data.input_shape), "classes": len(study.data.class_names)}
    kept = space_of(study)
    return _known(spaces.design_from_dict({"space": kept.kind} | known | form), kept)


def _known(design: Design, space: ModelSpace) -> Design:
    """Give a design whose names the study's data have, or say which they have not."""
    for part in design.parts:
        if part.quoted and part.arguments not in space.data_columns:
            near = get_close_matches(part.arguments, space.data_columns, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidRequest(f"the data have no {part.words}{hint}")
    return design


def queue_form(study: Study) -> dict[str, Any]:
    """Give the form that ``remap queue STUDY list --json`` prints."""
    heartbeat, wished = study.heartbeat(), study.wished()
    models = study.models()
    said = reasons(models, heartbeat)
    places = {one.number: place for place, one in enumerate(_waiting(models), start=1)}
    return {
        "queue": {
            "paused": wished.paused,
            "workers": wished.workers,
            "gpus_per_model": wished.gpus_per_model,
            "trained_by": heartbeat.holder if heartbeat.alive else None,
            "said": heartbeat.said if heartbeat.alive else "",
        },
        "models": [
            {
                "number": one.number,
                "status": one.status.value,
                "reason": said[one.number],
                "place": places.get(one.number),
                "epochs": one.epochs,
                "wanted_epochs": one.wanted_epochs,
                "accuracy": one.accuracy,
                "parameters": one.parameters,
                "origin": one.origin.value,
                "parent": one.parent,
                "repeat": one.repeat,
                "words": one.words,
                "text": one.design.text,
            }
            for one in _ordered(models)
        ],
    }


# The wishes


def _list(study: Study, given: argparse.Namespace, say: Say) -> None:
    if given.json:
        say(json.dumps(queue_form(study), indent=2))
        return
    console = Console()
    if not console.is_terminal:
        # Each model stays one line for whoever reads it next.
        console = Console(width=PIPED_WIDTH)
    console.print(status.headline(study), markup=False, highlight=False, soft_wrap=True)
    models = study.models()
    said = reasons(models, study.heartbeat())
    table = Table(box=None, expand=True)
    terms = study.data.terms
    for name in ("model", "epochs", "accuracy", terms.size, "reason"):
        table.add_column(name, no_wrap=True)
    table.add_column(wording.parts(terms).lower(), no_wrap=True, overflow="ellipsis", ratio=1)
    for one in _ordered(models):
        accuracy = "" if one.accuracy is None else f"{one.accuracy:.3f}"
        epochs = f"{one.epochs}/{one.wanted_epochs}"
        reason, layers = Text(said[one.number]), Text(one.design.text)
        table.add_row(one.name, epochs, accuracy, f"{one.parameters:,}", reason, layers)
    console.print(table)


def _submit(study: Study, given: argparse.Namespace, say: Say) -> None:
    network = read_network(given.network, study)
    before = {one.number for one in study.models()}
    deleted = {one.number for one in study.models(deleted=True)}
    wish = Submission(network, Origin.HANDCRAFTED, words=given.words, epochs=given.epochs)
    (number,) = study.submit([wish])
    if number in before:
        say(
            f"m{number} is this network already ({_reason(study, number)}); to train it with "
            f"another seed: remap queue {_path(study)} repeat {number}"
        )
    else:
        back = " is this network: it was deleted, and is back" if number in deleted else ""
        say(f"m{number}{back}: {network.text} ({_reason(study, number)})")


def _move(study: Study, given: argparse.Namespace, say: Say) -> None:
    if given.before is not None:
        study.move(*given.models, before=given.before)
    else:
        study.move(*given.models, place=given.to or None)
    order = ", ".join(one.name for one in _waiting(study.models()))
    say(f"the queue is now {order}")


def _cancel(study: Study, given: argparse.Namespace, say: Say) -> None:
    study.cancel(*given.models)
    _say_reasons(study, given.models, say)


def _pause(study: Study, _: argparse.Namespace, say: Say) -> None:
    study.pause()
    say(f"paused; go on with: remap queue {_path(study)} resume")


def _resume(study: Study, _: argparse.Namespace, say: Say) -> None:
    study.resume()
    say(status.headline(study))


def _retry(study: Study, given: argparse.Namespace, say: Say) -> None:
    study.retry(*given.models, anew=given.anew)
    _say_reasons(study, given.models, say)


def _longer(study: Study, given: argparse.Namespace, say: Say) -> None:
    study.longer(*given.models, epochs=given.epochs)
    for number in dict.fromkeys(given.models):
        model = study.model(number)
        say(f"{model.name} goes on to {model.wanted_epochs} epochs ({_reason(study, number)})")


def _repeat(study: Study, given: argparse.Namespace, say: Say) -> None:
    for number in study.repeat(given.model, given.times):
        say(f"m{number} repeats m{given.model} ({_reason(study, number)})")


def _delete(study: Study, given: argparse.Namespace, say: Say) -> None:
    study.delete(*given.models)
    numbers = " ".join(str(number) for number in given.models)
    say(
        f"deleted {', '.join(f'm{number}' for number in given.models)}; "
        f"to have them back: remap queue {_path(study)} restore {numbers}"
    )


def _restore(study: Study, given: argparse.Namespace, say: Say) -> None:
    study.restore(*given.models)
    _say_reasons(study, given.models, say)


def _compact(study: Study, _: argparse.Namespace, say: Say) -> None:
    gone = study.compact()
    say(f"removed {gone} deleted {'model' if gone == 1 else 'models'} for good")


def _workers(study: Study, given: argparse.Namespace, say: Say) -> None:
    study.set_workers(given.workers, given.gpus_per_model)
    workers = "as many as fit" if given.workers is None else str(given.workers)
    share = given.gpus_per_model
    each = "" if share is None else f", each with {share:g} of a GPU"
    say(f"models trained at the same time: {workers}{each}")


# Words


def _run(wish: Wish, say: Say) -> Callable[[argparse.Namespace], int]:
    def run(given: argparse.Namespace) -> int:
        with open_study(given.study) as study:
            wish(study, given, say)
        return 0

    return run


def _say_reasons(study: Study, numbers: Sequence[int], say: Say) -> None:
    for number in dict.fromkeys(numbers):
        say(f"m{number}: {_reason(study, number)}")


def _reason(study: Study, number: int) -> str:
    return reasons(study.models(), study.heartbeat())[number]


def _path(study: Study) -> str:
    return shlex.quote(str(study.path))


def _waiting(models: Sequence[Model]) -> list[Model]:
    waiting = (one for one in models if one.status is Status.QUEUED)
    return sorted(waiting, key=lambda one: (one.position, one.number))


def _ordered(models: Sequence[Model]) -> list[Model]:
    """Give what trains, then what waits in its order, then the rest by number."""
    training = [one for one in models if one.status is Status.TRAINING]
    rest = [one for one in models if one.status not in {Status.TRAINING, Status.QUEUED}]
    return [*training, *_waiting(models), *rest]


# Parsing


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models", type=_number, nargs="+", metavar="MODEL", help="such as 17 or m17"
    )


def _number(text: str) -> int:
    found = re.fullmatch(r"m?(\d{1,18})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"must be a model such as m17, not {text!r}")
    return int(found[1])


def _place(text: str) -> int:
    """Read a place from 1; 0 stands for the last."""
    if text in {"first", "last"}:
        return 1 if text == "first" else 0
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be first, last, or a place from 1, not {text!r}")
    return int(text)
