"""The ``remap`` command: parse, call one function, print.

A `RemapError` becomes one line on standard error and exit code 2; what was
asked for has then changed nothing.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from remap_panel import status
from remap_panel.export_command import add_export
from remap_panel.queue_command import add_queue
from remap_panel.snac_command import add_snac
from remap_ray.errors import InvalidRequest, RemapError, StudyReadOnly
from remap_ray.space import KINDS, Limits, ModelSpace, spaces
from remap_ray.study import Holder, Status, Study, announced, open_study
from remap_ray.study.directory import DATABASE
from remap_ray.version import VERSION

__all__ = ["main"]

DEMO_STUDY = Path("remap-demo")
DEMO_DATA = "digits"
DEMO_MODELS = 24
PORT = 5006
END_SECONDS = 20.0
PIPED_WIDTH = 240
MOST_DIGITS = 30


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2 and one line."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        code: int = given.run(given)
    except RemapError as error:
        print(f"remap: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output, such as head, has seen enough.
        sys.stderr.close()
        return 0
    return code


# Commands


def demo(given: argparse.Namespace) -> int:
    """Sample, train and show a small study on digits."""
    from remap_panel.serving import free_port_or_raise
    from remap_ray.creation import add_samples, create_study

    free_port_or_raise(given.port)
    path = DEMO_STUDY.absolute()
    if (path / DATABASE).exists():
        with open_study(path) as study:
            add_samples(study, DEMO_MODELS)
    else:
        create_study(path, DEMO_DATA, models=DEMO_MODELS).close()
    return _serve(path, given, trains=True, until_done=given.until_done)


def sample(given: argparse.Namespace) -> int:
    """Bring a study to a number of sampled models and train them, without a page."""
    from remap_panel.progress import downloading
    from remap_ray.creation import add_samples, create_study, space_of

    space = None if given.space is None else spaces.find(given.space)
    _check_resources(given)
    path = given.study.absolute()
    if (path / DATABASE).exists():
        study = open_study(path)
        with study:
            kept = space_of(study)
            if space is not None and space.fitted(kept.data_columns) != kept:
                raise InvalidRequest(
                    f"{study.path} was created with the space {kept.name}, which cannot change to "
                    f"{given.space}; leave it out, or name another directory"
                )
            _check_same(study, given)
            limits = _limits(given, kept)
            add_samples(study, given.models, limits, halving=given.halving)
    else:
        if given.data is None:
            raise InvalidRequest(f"{path} is no study yet: say what to train on, as --data digits")
        create_study(
            path,
            given.data,
            epochs=10 if given.epochs is None else given.epochs,
            seed=given.seed or 0,
            models=given.models,
            limits=lambda kept: _limits(given, kept),
            space=space,
            progress=downloading,
            patience=given.patience or 0,
            bfloat16=given.bfloat16,
            flip=given.flip,
            shift=given.shift or 0,
            standardize=given.standardize,
            halving=given.halving,
        ).close()
    return _train(path, given, until_done=True)


def train(given: argparse.Namespace) -> int:
    """Run a study's queue until Ctrl-C."""
    with open_study(given.study) as study:
        path = study.path
        if given.stop:
            return _end(study)
    _check_resources(given)
    return _train(path, given, until_done=given.until_done)


def serve(given: argparse.Namespace) -> int:
    """Show a study's page, and train what waits."""
    from remap_panel.serving import free_port_or_raise

    with open_study(given.study) as study:
        path = study.path
        trains = not (given.no_train or study.read_only or study.heartbeat().alive)
    free_port_or_raise(given.port)
    return _serve(path, given, trains=trains, until_done=False)


def show_status(given: argparse.Namespace) -> int:
    """Print where a study stands."""
    with open_study(given.study) as study:
        if given.json:
            print(json.dumps(status.status_form(study), indent=2))
        else:
            console = Console()
            if not console.is_terminal:
                # Each model stays one line for whoever reads it next.
                console = Console(width=PIPED_WIDTH)
            console.print(status.headline(study), markup=False, highlight=False, soft_wrap=True)
            console.print(status.status_table(study))
    return 0


def check(given: argparse.Namespace) -> int:
    """Look for what is wrong with a study, and mend what can be."""
    from remap_ray.study.checking import find_faults
    from remap_ray.study.mending import mend

    with open_study(given.study) as study:
        mended = mend(study) if given.mend else ()
        left = find_faults(study)
        name = study.name
    for one in mended:
        print(f"mended: {one.what}: {one.way_out}")
    for one in left:
        if not one.mendable:
            print(f"cannot be mended: {one.what}: {one.way_out}")
        else:
            print(f"wrong: {one.what}; with --mend: {one.way_out}")
    bad = sum(not one.harmless for one in left)
    print(f"{name}: {f'{bad} faults' if bad > 1 else '1 fault' if bad else 'whole'}")
    return 1 if bad else 0


# What several commands do


def _train(path: Path, given: argparse.Namespace, *, until_done: bool) -> int:
    from remap_panel.progress import follow
    from remap_ray.cluster.plan import Wanted

    with open_study(path) as study:
        if until_done and _is_complete(study):
            print(f"nothing to do: {status.headline(study)}")
            return 0
        if study.read_only:
            raise StudyReadOnly(study.path)
        # Ray and what it needs take seconds to load.
        with announced(study, Holder.this_process("remap train")):
            from remap_ray.cluster.run import run_queue

            resources = (given.workers, given.gpus_per_model, given.address, given.logical_gpus)
            print("starting Ray and the trainers", flush=True)
            with follow(study, Console()) as progress:
                ended = run_queue(
                    path, Wanted(*resources), until_done=until_done, tick=progress.tick
                )
                progress.tick()
        print(status.headline(study))
        if not ended and given.address:
            end = f"remap train {shlex.quote(str(path))} --stop"
            print(f"the cluster trains on; end it with: {end}")
        elif not ended:
            again = f"go on with: remap train {shlex.quote(str(path))}"
            print(f"stopped; what trained is kept and continues at the next start ({again})")
        return 0 if ended else 130


def _end(study: Study) -> int:
    if not study.heartbeat().alive:
        print(f"nobody trains {study.name}")
        return 0
    study.wish_end()
    pause = threading.Event()
    for _ in range(int(END_SECONDS / 0.1)):
        if not study.heartbeat().alive:
            print(f"ended: {status.headline(study)}")
            return 0
        pause.wait(0.1)
    raise InvalidRequest(
        f"{study.heartbeat().holder} did not end {study.name} within {END_SECONDS:.0f} s; "
        "end that process itself"
    )


def _is_complete(study: Study) -> bool:
    counts = study.counts()
    waiting = counts[Status.QUEUED] + counts[Status.TRAINING]
    return not waiting and not status.unmapped(study)


def _serve(path: Path, given: argparse.Namespace, *, trains: bool, until_done: bool) -> int:
    from remap_panel.launch import Training, training
    from remap_panel.serving import serve as serve_page

    address = f"http://127.0.0.1:{given.port}/"
    failure: list[RemapError] = []
    with ExitStack() as stack:
        process: Training | None = stack.enter_context(training(path)) if trains else None

        def ready(stop: Callable[[], None]) -> None:
            print(f"REMAP shows {path.name} at {address} (Ctrl-C ends it)", flush=True)
            if not given.no_browser:
                webbrowser.open(address)
            if until_done:
                watch = threading.Thread(
                    target=_stop_when_done, args=(path, address, process, stop, failure)
                )
                watch.daemon = True
                watch.start()

        def leaving() -> None:
            print("stopping", flush=True)
            if process is not None:
                process.begin_stop()

        # What ends a service, not only Ctrl-C, ends the training that it started.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        serve_page(path, given.port, ready=ready, leaving=leaving)
    if failure:
        raise failure[0]
    return 0


def _stop_when_done(
    path: Path,
    address: str,
    process: Any,
    stop: Callable[[], None],
    failure: list[RemapError],
) -> None:
    """Wait until all models are trained, mapped and served; then stop the server."""
    from remap_panel.serving import wait_until_served

    pause = threading.Event()
    try:
        with open_study(path) as study:
            while not _is_complete(study):
                if process is not None:
                    process.check()
                pause.wait(0.5)
            wait_until_served(address)
            print(status.headline(study), flush=True)
    except RemapError as error:
        failure.append(error)
    finally:
        stop()


def _check_resources(given: argparse.Namespace) -> None:
    """Refuse impossible workers and fractions before anything is written."""
    from remap_ray.cluster.plan import Wanted, check_local

    check_local(Wanted(given.workers, given.gpus_per_model, given.address, given.logical_gpus))


def _check_same(study: Study, given: argparse.Namespace) -> None:
    """Refuse another data set, number of epochs or seed than the study was created with."""
    asked: dict[str, tuple[Any, Any]] = {}
    if given.data is not None:
        known = {study.data.name, study.data.source}
        same = given.data in known or str(Path(given.data).absolute()) == study.data.source
        asked["data"] = (study.data.name if same else given.data, study.data.name)
    if given.epochs is not None:
        asked["epochs"] = (given.epochs, study.recipe.epochs)
    if given.patience is not None:
        asked["patience"] = (given.patience, study.recipe.patience)
    if given.shift is not None:
        asked["shift"] = (given.shift, study.recipe.shift)
    switches = {
        "bfloat16": study.recipe.bfloat16,
        "flip": study.recipe.flip,
        "standardize": bool(study.recipe.channels),
    }
    for name, is_on in switches.items():
        if getattr(given, name) and not is_on:
            raise InvalidRequest(
                f"{study.path} was created without --{name}, which cannot change; "
                "leave it out, or name another directory"
            )
    if given.seed is not None:
        asked["seed"] = (given.seed, study.seed)
    for name, (wanted, fixed) in asked.items():
        if wanted != fixed:
            raise InvalidRequest(
                f"{study.path} was created with --{name} {fixed}, which cannot change to {wanted}; "
                "leave it out, or name another directory"
            )


def _limits(given: argparse.Namespace, space: ModelSpace) -> Limits:
    """Give the limits of a space with those that were asked for in their place."""
    asked = {
        "parameters": given.max_parameters,
        "multiply_adds": None if given.max_flops is None else given.max_flops // 2,
        "layers": given.max_layers,
        "required": given.require,
        "forbidden": given.forbid,
    }
    return replace(space.limits, **{name: one for name, one in asked.items() if one is not None})


# Parsing


def _parser() -> Parser:
    parser = Parser(
        prog="remap", description="Find a good small neural network by looking at many."
    )
    parser.add_argument("--version", action="version", version=f"remap {VERSION}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )

    one = _command(commands, "demo", demo, f"train {DEMO_MODELS} models on {DEMO_DATA} and look")
    _add_serving(one)
    one.add_argument(
        "--until-done",
        action="store_true",
        help="end with exit code 0 once all models are trained, mapped and served",
    )

    one = _command(commands, "sample", sample, "sample and train models, without a page")
    _add_study(one)
    one.add_argument(
        "--data",
        metavar="NAME_OR_PATH",
        help="digits, fashion-mnist, mnist, kmnist, cifar10, quickdraw-paper, breast-cancer, wine, "
        "a .npz, or a folder",
    )
    one.add_argument(
        "--models",
        type=_whole(0),
        default=100,
        metavar="N",
        help="sampled models that the study shall have in all (default 100)",
    )
    one.add_argument(
        "--space",
        metavar="NAME_OR_FILE",
        help=f"what to sample from: {', '.join(spaces.NAMED)}, or a TOML file "
        "(default paper; boosting for tables)",
    )
    one.add_argument("--epochs", type=_whole(1), metavar="N", help="epochs each (default 10)")
    one.add_argument("--seed", type=_whole(0), metavar="N", help="default 0")
    one.add_argument(
        "--patience",
        type=_whole(0),
        metavar="N",
        help="stop a model early after N epochs in a row without a gain (default 0: never)",
    )
    one.add_argument(
        "--halving",
        action="store_true",
        help="give all new models few epochs, and go on with the best third, twice",
    )
    one.add_argument(
        "--bfloat16", action="store_true", help="compute in bfloat16 where that proves quicker"
    )
    one.add_argument(
        "--flip", action="store_true", help="mirror half of the training images in each epoch"
    )
    one.add_argument(
        "--shift",
        type=_whole(0),
        metavar="N",
        help="move each training image by up to N pixels in each epoch (default 0)",
    )
    one.add_argument(
        "--standardize",
        action="store_true",
        help="scale each channel by its mean and deviation over the training part",
    )
    one.add_argument(
        "--max-parameters",
        type=_whole(1),
        metavar="N",
        help="largest number of parameters of a model (default: the space's, 1,000,000)",
    )
    one.add_argument(
        "--max-flops",
        type=_whole(1),
        metavar="N",
        help="largest number of operations of one forward pass of one image",
    )
    one.add_argument(
        "--max-layers", type=_whole(0), metavar="N", help="largest number of layers of a model"
    )
    for option, says in (("--require", "must"), ("--forbid", "must not")):
        one.add_argument(
            option,
            type=_kinds,
            metavar="KINDS",
            help=f"layer kinds that {says} occur, such as conv,dropout",
        )
    _add_resources(one)

    one = _command(commands, "train", train, "run a study's queue until Ctrl-C")
    _add_study(one)
    one.add_argument("--until-done", action="store_true", help="end when nothing waits any more")
    one.add_argument(
        "--stop", action="store_true", help="end whoever trains the study, here or on a cluster"
    )
    _add_resources(one)

    one = _command(commands, "serve", serve, "show a study's page, and train what waits")
    _add_study(one)
    _add_serving(one)
    one.add_argument("--no-train", action="store_true", help="only show")

    add_queue(commands, print)
    add_export(commands, print)
    add_snac(commands, print)

    one = _command(commands, "status", show_status, "say where a study stands")
    _add_study(one)
    one.add_argument("--json", action="store_true", help="for programs")

    one = _command(commands, "check", check, "look for what is wrong with a study, and mend it")
    _add_study(one)
    one.add_argument("--mend", action="store_true", help="mend what can be mended")
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], says: str
) -> argparse.ArgumentParser:
    one: argparse.ArgumentParser = commands.add_parser(name, help=says, description=run.__doc__)
    one.set_defaults(run=run)
    return one


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study's directory")


def _add_serving(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=_whole(1, 65535), default=PORT, metavar="N", help=f"default {PORT}"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")


def _add_resources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers", type=_whole(1), metavar="N", help="models trained at the same time"
    )
    parser.add_argument(
        "--gpus-per-model",
        type=_number(0),
        metavar="F",
        help="share of a GPU that each model gets, such as 0.25",
    )
    parser.add_argument("--address", metavar="A", help="an existing Ray cluster's, or auto")
    parser.add_argument("--logical-gpus", type=_whole(0), default=0, help=argparse.SUPPRESS)


def _whole(low: int, high: int | None = None) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = _exactly(text)
        if value is None:
            raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}")
        if value < low or (high is not None and value > high):
            bounds = f"at least {low}" if high is None else f"from {low} to {high}"
            raise argparse.ArgumentTypeError(f"must be {bounds}, not {value}")
        return value

    return parse


def _exactly(text: str) -> int | None:
    """Give the whole number that is written, also as ``5e6``; None where it is none."""
    if len(text) > MOST_DIGITS:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    # An exponent of billions is a slip, and would be written out digit by digit.
    if not number.is_finite() or number.adjusted() >= MOST_DIGITS:
        return None
    return int(number) if number == number.to_integral_value() else None


def _kinds(text: str) -> frozenset[str]:
    kinds = frozenset(one.strip() for one in text.split(","))
    if unknown := sorted(kinds - KINDS.keys()):
        raise argparse.ArgumentTypeError(
            f"there is no layer kind {unknown[0]!r}; known are {', '.join(KINDS)}"
        )
    return kinds


def _number(low: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None
        if not low <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be at least {low:g}, not {text}")
        return value

    return parse
