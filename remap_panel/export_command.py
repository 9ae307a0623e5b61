"""``remap export``: what a person takes home from a study."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from remap_panel.snac import draw
from remap_ray.errors import InvalidRequest
from remap_ray.study import Study, open_study

__all__ = ["add_export", "number", "picture"]

Say = Callable[[str], None]


def add_export(commands: Any, say: Say) -> None:
    """Add ``export`` to the subcommands of ``remap``; ``say`` prints a line."""
    parser = commands.add_parser(
        "export",
        help="write a model as code, weights, ONNX and a card, or a study as a table",
        description="Write a model into a folder of its own, or all models of a study as a table.",
    )
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study's directory")
    parser.add_argument("model", nargs="?", type=number, metavar="MODEL", help="such as m17")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="a folder that is not there yet"
    )
    parser.add_argument(
        "--no-test", action="store_true", help="do not load the data to measure the test part"
    )
    onnx = parser.add_mutually_exclusive_group()
    onnx.add_argument("--onnx", action="store_true", help="insist on an ONNX file")
    onnx.add_argument("--no-onnx", action="store_true", help="write no ONNX file")
    parser.add_argument("--table", type=Path, metavar="FILE", help="all models: .csv or .parquet")
    parser.add_argument(
        "--predictions", type=Path, metavar="FILE", help="all validation predictions: .npz"
    )
    parser.add_argument("--progress", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=lambda given: _export(given, say))


def number(text: str) -> int:
    """Read a model's number, as ``17`` or ``m17``."""
    digits = text.removeprefix("m")
    if not (digits.isascii() and digits.isdigit()):
        raise argparse.ArgumentTypeError(f"must be a model such as m17, not {text!r}")
    return int(digits)


def picture(study: Study, model: int) -> str:
    """Draw a model's chip with its name, as SVG text."""
    one = study.model(model)
    return draw(one.design, "large", f"{study.name} {one.name}").svg


def _export(given: argparse.Namespace, say: Say) -> int:
    from remap_ray.export.table import export_predictions, export_table  # noqa: PLC0415

    if given.model is None and given.table is None and given.predictions is None:
        raise InvalidRequest(
            "nothing to export was named: give a MODEL with -o DIR, --table FILE or "
            "--predictions FILE"
        )
    if (given.model is None) != (given.output is None):
        raise InvalidRequest("a MODEL is exported into a folder: give both MODEL and -o DIR")
    with open_study(given.study) as study:
        if given.table is not None:
            count = export_table(study, given.table)
            say(f"{given.table}: {count} models")
        if given.predictions is not None:
            count = export_predictions(study, given.predictions)
            say(f"{given.predictions}: the predictions of {count} models")
        if given.model is not None:
            _export_model(study, given, say)
    return 0


def _export_model(study: Study, given: argparse.Namespace, say: Say) -> None:
    # What follows loads torch, which tables do without.
    from remap_ray.export.bundle import export_model  # noqa: PLC0415

    onnx = True if given.onnx else False if given.no_onnx else None
    done = export_model(
        study,
        given.model,
        given.output,
        picture=picture(study, given.model),
        test=not given.no_test,
        onnx=onnx,
        progress=_flushed(say) if given.progress else lambda _: None,
    )
    accuracy = "not measured" if done.accuracy is None else f"{done.accuracy:.4f}"
    say(f"{done.folder}: {', '.join(done.files)}")
    say(f"accuracy on the test part: {accuracy}")
    say(done.onnx)


def _flushed(say: Say) -> Say:
    """Have what is said leave this process at once."""

    def say_now(words: str) -> None:
        say(words)
        sys.stdout.flush()

    return say_now
