"""The public door: what it loads, what it names, and the errors that come out of it."""

from __future__ import annotations

import builtins
import copy
import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import remap_ray
from remap_ray import errors
from remap_ray.errors import RemapError

HEAVY = ("torch", "ray", "numpy", "sqlalchemy", "sklearn", "panel", "bokeh", "scipy", "PIL")

MADE: dict[str, RemapError] = {
    "DataError": errors.DataError("no such data set", Path("/data/x.npz")),
    "DiskFull": errors.DiskFull(Path("/x/s")),
    "InvalidArchitecture": errors.InvalidArchitecture("MaxPool(5): the image is only 3x3", 5),
    "InvalidRequest": errors.InvalidRequest("the seed must not be negative, not -1"),
    "LeaseLost": errors.LeaseLost(mine=3, current=5),
    "NotAStudy": errors.NotAStudy(Path("/x/s"), "is a file", "a study is a directory"),
    "RayFailed": errors.RayFailed("auto", ConnectionError("no answer\nat all")),
    "RayLost": errors.RayLost(17),
    "SchedulerLost": errors.SchedulerLost(3),
    "StudyBusy": errors.StudyBusy("remap train (process 7 on host)", 2.5),
    "StudyExists": errors.StudyExists(Path("/x/s")),
    "StudyReadOnly": errors.StudyReadOnly(Path("/x/s")),
    "StudyTooNew": errors.StudyTooNew(Path("/x/s"), found=9, known=1),
    "StudyTooOld": errors.StudyTooOld(Path("/x/s"), 1, 2, "it is in use"),
    "TrainingFailed": errors.TrainingFailed("the loss became infinite", epoch=2),
    "UnknownModel": errors.UnknownModel(17, "the drawer"),
}
BUILTIN = {
    "DataError": ValueError,
    "DiskFull": OSError,
    "InvalidArchitecture": ValueError,
    "InvalidRequest": ValueError,
    "LeaseLost": RuntimeError,
    "NotAStudy": FileNotFoundError,
    "RayFailed": RuntimeError,
    "RayLost": RuntimeError,
    "SchedulerLost": RuntimeError,
    "StudyBusy": RuntimeError,
    "StudyExists": FileExistsError,
    "StudyReadOnly": PermissionError,
    "StudyTooNew": RuntimeError,
    "StudyTooOld": RuntimeError,
    "TrainingFailed": RuntimeError,
    "UnknownModel": KeyError,
}


def loaded_by(code: str) -> set[str]:
    """Give the packages that a fresh process has loaded after running ``code``."""
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps([*sys.modules]))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(ended.stdout))


# The door


@pytest.mark.promise("COMMAND-5")
def test_the_door_is_light() -> None:
    loaded = loaded_by("import remap_ray\nremap_ray.Architecture\nremap_ray.RemapError")
    assert loaded.isdisjoint(HEAVY)
    assert "remap_ray.space" in loaded
    assert not {one for one in loaded if one.startswith("remap_panel")}


def test_the_study_needs_neither_torch_nor_ray() -> None:
    loaded = loaded_by("import remap_ray\nremap_ray.open_study\nremap_ray.Study")
    assert loaded.isdisjoint({"torch", "ray", "sklearn", "panel", "bokeh", "scipy"})


def test_a_study_is_created_without_torch_and_ray() -> None:
    assert loaded_by("from remap_ray import create_study").isdisjoint({"torch", "ray"})


@pytest.mark.parametrize("name", remap_ray.__all__)
def test_every_name_of_the_door_leads_somewhere(name: str) -> None:
    thing = getattr(remap_ray, name)
    if name != "__version__":
        assert thing.__name__ == name
        assert inspect.getdoc(thing), "what is public says what it is"
    assert name in dir(remap_ray)


def test_the_door_has_no_other_names_and_none_twice() -> None:
    assert len(set(remap_ray.__all__)) == len(remap_ray.__all__)
    assert set(remap_ray.__all__) == {*remap_ray._PLACES, "__version__"}
    with pytest.raises(AttributeError, match="module 'remap_ray' has no attribute 'Nonsense'"):
        remap_ray.Nonsense  # noqa: B018
    assert not hasattr(remap_ray, "np")


def test_all_of_the_door_at_once() -> None:
    namespace: dict[str, Any] = {}
    exec("from remap_ray import *", namespace)
    assert remap_ray.__all__ == [name for name in remap_ray.__all__ if name in namespace]


def test_the_names_of_the_design_are_there() -> None:
    layers = {"Conv", "MaxPool", "AvgPool", "Dense", "Dropout", "Activation"}
    assert {"create_study", "open_study", "Study", "Model", "Architecture"} | layers <= set(
        remap_ray.__all__
    )


# The errors


def test_every_error_is_tried_here() -> None:
    declared = {
        name
        for name, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, BaseException)
    }
    assert declared == {*MADE, "RemapError"} == set(errors.__all__)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_the_way_between_processes(name: str, protocol: int) -> None:
    made = MADE[name]
    made.__notes__ = ["seen by the scheduler"]
    for again in (pickle.loads(pickle.dumps(made, protocol)), copy.copy(made), copy.deepcopy(made)):
        assert type(again) is type(made)
        assert str(again) == str(made)
        assert repr(again) == repr(made)
        assert again.args == made.args
        assert vars(again) == vars(made)


@pytest.mark.parametrize("name", MADE)
def test_an_error_is_of_the_family_and_of_the_builtin_one(name: str) -> None:
    made = MADE[name]
    assert isinstance(made, RemapError)
    assert isinstance(made, BUILTIN[name])
    assert not hasattr(builtins, name)
    said = str(made)
    assert said == str(made.args[0])
    assert "\n" not in said
    assert said[0] not in "'\"(["


def test_errors_carry_their_data() -> None:
    carried = {name: {k: v for k, v in vars(one).items() if k != "__notes__"}
               for name, one in MADE.items()}  # fmt: skip
    assert carried == {
        "DataError": {"path": Path("/data/x.npz")},
        "DiskFull": {"path": Path("/x/s")},
        "InvalidArchitecture": {"reason": "MaxPool(5): the image is only 3x3", "layer": 5},
        "InvalidRequest": {},
        "LeaseLost": {"mine": 3, "current": 5},
        "NotAStudy": {"path": Path("/x/s")},
        "RayFailed": {"address": "auto"},
        "RayLost": {"pid": 17},
        "SchedulerLost": {"deaths": 3},
        "StudyBusy": {
            "holder": "remap train (process 7 on host)",
            "seconds": 2.5,
            "ends": False,
        },
        "StudyExists": {"path": Path("/x/s")},
        "StudyReadOnly": {"path": Path("/x/s")},
        "StudyTooNew": {"path": Path("/x/s"), "found": 9, "known": 1},
        "StudyTooOld": {"path": Path("/x/s"), "found": 1, "known": 2},
        "TrainingFailed": {"reason": "the loss became infinite", "epoch": 2},
        "UnknownModel": {"number": 17},
    }


def test_errors_name_the_thing_and_the_way_out() -> None:
    assert str(errors.NotAStudy(Path("/x/s"))) == (
        "/x/s holds no study; create one with: remap sample /x/s --data digits"
    )
    assert str(MADE["NotAStudy"]) == "/x/s is a file; a study is a directory"
    assert str(MADE["StudyExists"]) == "/x/s is a study already; open it instead"
    assert str(MADE["StudyTooNew"]) == (
        "/x/s has study format 9, this REMAP reads up to format 1; install a newer REMAP to open it"
    )
    assert str(MADE["StudyBusy"]) == (
        "this study is being trained already by remap train (process 7 on host) "
        "(heartbeat 2 s ago); stop that one first"
    )
    assert str(MADE["RayFailed"]) == (
        "the Ray cluster at auto cannot be used (no answer); is it running, and is its token known "
        "here (RAY_AUTH_TOKEN)?"
    )
    assert str(errors.RayFailed(None, TimeoutError())).startswith(
        "Ray could not be started here (TimeoutError); "
    )
    assert str(MADE["UnknownModel"]) == "there is no model m17 in the drawer"
    assert str(MADE["InvalidArchitecture"]) == "layer 5, MaxPool(5): the image is only 3x3"
    assert str(errors.InvalidArchitecture("no")) == "no"
