"""``remap queue``: each wish from the command line, on a real study."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from remap_panel.cli import main
from remap_ray.study import Holder, Status, open_study, take_lease
from tests import synthetic

Ask = Callable[..., str]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Four trained and mapped models and three waiting ones."""
    synthetic.full_study(tmp_path / "toy", done=4, waiting=3).close()
    return tmp_path / "toy"


@pytest.fixture
def ask(study: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    def run(*arguments: str, code: int = 0) -> str:
        try:
            ended = main(["queue", str(study), *arguments])
        except SystemExit as end:
            ended = end.code
        out, said = capsys.readouterr()
        assert ended == code, (out, said)
        if code:
            assert out == ""
            assert len(said.splitlines()) == 1, said
        return said if code else out

    return run


def waiting(study: Path) -> list[int]:
    with open_study(study) as opened:
        there = [one for one in opened.models() if one.status is Status.QUEUED]
    return [one.number for one in sorted(there, key=lambda one: one.position)]


@pytest.mark.promise("COMMAND-20")
def test_the_queue_is_listed_for_people_and_for_programs(study: Path, ask: Ask) -> None:
    lines = ask().splitlines()
    assert lines == ask("list").splitlines()
    assert "4 done, nobody trains it now" in lines[0].replace("3 queued, ", "")
    assert [line.split()[0] for line in lines[2:]] == ["m5", "m6", "m7", "m1", "m2", "m3", "m4"]
    assert "waiting: nobody trains this study now" in lines[2]
    form = json.loads(ask("list", "--json"))
    assert form["queue"] == {
        "paused": False,
        "workers": None,
        "gpus_per_model": None,
        "trained_by": None,
        "said": "",
    }
    first = form["models"][0]
    assert (first["number"], first["status"], first["place"]) == (5, "queued", 1)
    assert first["reason"] == "waiting: nobody trains this study now"
    assert form["models"][-1]["place"] is None
    keys = {"number", "status", "reason", "place", "epochs", "wanted_epochs", "accuracy"}
    keys |= {"parameters", "origin", "parent", "repeat", "words", "text"}
    assert all(one.keys() == keys for one in form["models"])


@pytest.mark.promise("COMMAND-20")
def test_a_network_of_the_literature_enters_as_text_json_or_file(
    study: Path, ask: Ask, tmp_path: Path
) -> None:
    text = "conv6x3p1 tanh avg2 dense84 tanh"
    said = ask("submit", text, "--epochs", "7", "--words", "LeNet, cut")
    assert said.startswith("m8: conv6x3p1 tanh avg2 dense84 tanh (waiting")
    with open_study(study) as opened:
        model = opened.model(8)
        form = opened.model(5).form
    assert (model.origin.value, model.words, model.wanted_epochs) == (
        "handcrafted",
        "LeNet, cut",
        7,
    )
    # It is never trained twice by accident, in whatever form it comes.
    again = ask("submit", json.dumps(dict(model.form)))
    assert again.startswith("m8 is this network already (waiting: nobody trains this study now)")
    assert "repeat 8" in again
    (tmp_path / "net.json").write_text(json.dumps(dict(form)))
    assert ask("submit", str(tmp_path / "net.json")).startswith("m5 is this network already")
    short = json.dumps({"layers": [{"kind": "dense", "units": 3}]})
    assert ask("submit", short).startswith("m9: dense3")
    assert waiting(study) == [5, 6, 7, 8, 9]


@pytest.mark.promise("COMMAND-20")
def test_each_wish_has_a_command(study: Path, ask: Ask) -> None:
    assert ask("move", "m7", "--to", "first") == "the queue is now m7, m5, m6\n"
    assert ask("move", "5", "7", "--to", "last") == "the queue is now m6, m5, m7\n"
    assert ask("move", "7", "--before", "m5") == "the queue is now m6, m7, m5\n"
    assert ask("move", "5", "--to", "2") == "the queue is now m6, m5, m7\n"
    assert ask("cancel", "6", "7") == "m6: cancelled while waiting\nm7: cancelled while waiting\n"
    assert ask("retry", "6").startswith("m6: waiting")
    assert waiting(study) == [5, 6]
    assert ask("longer", "1", "2", "--epochs", "4").startswith("m1 goes on to 7 epochs (waiting")
    assert ask("repeat", "3", "--times", "2").startswith("m8 repeats m3 (waiting")
    assert waiting(study) == [5, 6, 1, 2, 8, 9]
    assert ask("pause").startswith("paused; go on with: remap queue")
    assert "waiting: the queue is paused" in ask()
    assert "the queue is paused; go on with" in ask().splitlines()[0]
    assert "nobody trains it now" in ask("resume")
    assert ask("workers", "2") == "models trained at the same time: 2\n"
    shared = ask("workers", "--gpus-per-model", "0.25")
    assert shared == "models trained at the same time: as many as fit, each with 0.25 of a GPU\n"
    ask("workers")
    deleted = ask("delete", "3", "m4")
    assert deleted.startswith("deleted m3, m4; to have them back: remap queue ")
    assert deleted.endswith("restore 3 4\n")
    assert ask("restore", "3").startswith("m3: done in")
    assert ask("compact") == "removed 1 deleted model for good\n"
    with open_study(study) as opened:
        assert {one.number for one in opened.models()} == {1, 2, 3, 5, 6, 7, 8, 9}


def test_a_deleted_network_that_is_submitted_comes_back(study: Path, ask: Ask) -> None:
    with open_study(study) as opened:
        text = opened.model(2).architecture.text
    ask("delete", "2")
    back = ask("submit", text)
    assert back.startswith("m2 is this network: it was deleted, and is back")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["fly"], "'fly'"),
        (["submit"], "TEXT_OR_JSON"),
        (["submit", "conf16x3"], "did you mean conv?"),
        (["submit", "conv16x9"], "layer 0"),
        (["submit", "{"], "no JSON"),
        (["submit", '{"layers": 3}'], "layers"),
        (["submit", "dense3", "--epochs", "0"], "epochs must be a whole number of at least 1"),
        (["submit", '{"layers": [], "input_shape": [3, 8, 8]}'], "this study has (1, 8, 8)"),
        (["move", "5"], "--to"),
        (["move", "5", "--to", "nowhere"], "first, last, or a place"),
        (["move", "1", "--to", "1"], "m1 is done: only waiting models have a place"),
        (["cancel", "5", "99"], "no model m99"),
        (["cancel", "seven"], "such as m17, not 'seven'"),
        (["cancel"], "MODEL"),
        (["retry", "1"], "m1 is done"),
        (["longer", "1"], "--epochs"),
        (["longer", "1", "--epochs", "x"], "'x'"),
        (["repeat", "1", "--times", "0"], "count must be"),
        (["restore", "99"], "no model m99"),
        (["workers", "0"], "workers must be"),
        (["workers", "--gpus-per-model", "0.3"], "divides a GPU"),
        (["workers", "--gpus-per-model", "nan"], "divides a GPU"),
    ],
)
@pytest.mark.promise("COMMAND-1")
def test_a_wish_that_cannot_be_is_refused_in_one_line(
    study: Path, ask: Ask, arguments: list[str], named: str
) -> None:
    with open_study(study) as opened:
        before = opened.changes()
        assert named in ask(*arguments, code=2)
        after = opened.changes()
    assert (after.number, after.models) == (before.number, before.models)


def test_a_running_model_is_cancelled_by_its_scheduler(study: Path, ask: Ask) -> None:
    with open_study(study) as opened:
        lease = take_lease(opened, Holder.this_process("test"), 1)
        lease.claim(1)
        assert ask("cancel", "5") == "m5: stopping\n"
        assert lease.stop_wishes() == (5,)
        lease.release()


def test_no_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queue", str(tmp_path / "nothing"), "pause"]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_wish_for_more_workers_than_there_are_is_refused_at_the_start(
    study: Path, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    ask("workers", "100000")
    assert main(["train", str(study)]) == 2
    said = capsys.readouterr().err
    assert "--workers 100000 is more than the" in said
    assert f"to let REMAP choose: remap queue {study} workers" in said
    # Nobody waits for what did not begin.
    with open_study(study) as opened:
        assert not opened.heartbeat().alive
