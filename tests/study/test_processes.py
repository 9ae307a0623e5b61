"""Several processes at one study, and what is left when one is killed."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from remap_panel.snapshot import NOBODY, Snapshot, advance
from remap_ray.study import Holder, Status, open_study, take_lease
from tests import synthetic
from tests.study.children import child, children

WISHING = """
import json, sys
from pathlib import Path
from remap_ray.space import Architecture, Dense
from remap_ray.study import Study, Submission

place, path, rounds = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
wished = []
with Study.open(path) as study:
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(rounds):
        # One network of its own, and one that all of them submit.
        layers = (Dense(place + 1), Dense(n + 1)), (Dense(n + 100),)
        wanted = [Submission(Architecture((1, 8, 8), 10, one)) for one in layers]
        own, shared = study.submit(wanted)
        study.keep(own, note=f"{place}/{n}")
        if n % 3 == 2:
            study.let_go(own)
        study.changes()
        wished.append((wanted[0].architecture.identity, own, n % 3 != 2,
                       wanted[1].architecture.identity, shared))
        # And opened anew, as a short command does.
        if n % 5 == 4:
            with Study.open(path) as again:
                assert again.model(own).identity == wanted[0].architecture.identity
print(json.dumps(wished), flush=True)
"""

TRAINING = """
import sys
from pathlib import Path
from remap_ray.study import Epoch, Holder, Study, take_lease

path, until = Path(sys.argv[1]), int(sys.argv[2])

def tell(*words):
    print(*words, flush=True)

with Study.open(path) as study:
    lease = take_lease(study, Holder.this_process("worker"), 1)
    print("ready", flush=True)
    sys.stdin.readline()
    done = 0
    while done < until:
        lease.beat(f"{done} done", 1)
        for model in lease.claim(2):
            n = model.number
            tell("claimed", n)
            for at in (1, 2, 3):
                assert lease.record_epoch(Epoch(n, at, n + at, 0.1, n + at, 0.2, 0.5))
                tell("epoch", n, at)
                assert lease.record_checkpoint(n, at, f"m{n} after {at}".encode() * 20_000)
                tell("checkpoint", n, at)
            assert lease.finish(n, study.validation_labels, f"m{n}".encode() * 50_000)
            tell("done", n)
            done += 1
    lease.release()
"""

WRITERS, ROUNDS = 3, 10


def _check_whole(path: Path) -> None:
    connection = sqlite3.connect(path / "study.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


@pytest.mark.slow
@pytest.mark.promise("STUDY-7")
def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s"
    expected = WRITERS * ROUNDS + ROUNDS
    with synthetic.empty_study(path) as study:
        with (
            children(WRITERS, WISHING, path, ROUNDS) as writers,
            child(TRAINING, path, expected) as trainer,
        ):
            everyone = [*writers, trainer]
            for one in everyone:
                assert one.hear() == "ready"
            for one in everyone:
                one.say("go")
            seen, done = Snapshot(), 0
            while done < expected:
                done += trainer.hear().startswith("done")
                seen = advance(seen, study.changes(seen.number), NOBODY)
                assert seen.counts[Status.DONE] >= done
            assert trainer.rest() == []
            wished: list[list[Any]] = [json.loads(one.rest()[0]) for one in writers]

        seen = advance(seen, study.changes(seen.number), NOBODY)
        assert seen == advance(Snapshot(), study.changes(), NOBODY)
        by_identity = {one.identity: one.number for one in study.models()}
        assert sorted(by_identity.values()) == list(range(1, expected + 1))
        kept = set()
        for writer, rounds in enumerate(wished):
            assert len(rounds) == ROUNDS
            for n, (identity, own, stays, shared_identity, shared) in enumerate(rounds):
                assert by_identity[identity] == own
                assert by_identity[shared_identity] == shared
                kept |= {(own, f"{writer}/{n}")} if stays else set()
        assert {(one.model, one.note) for one in study.drawer()} == kept
        for number in range(1, expected + 1):
            one = study.model(number)
            assert (one.status, one.epochs, one.seconds) == (Status.DONE, 3, 1.5)
            assert [e.train_loss for e in study.epochs(number)] == [number + n for n in (1, 2, 3)]
            assert study.weights_path(number).read_bytes() == f"m{number}".encode() * 50_000
        # Each wish and each fact was one change: two submissions and what the drawer saw,
        # eight facts of each model; claims come one or two at a time.
        drawer = ROUNDS + ROUNDS // 3
        least = WRITERS * (ROUNDS + drawer) + 7 * expected + expected // 2
        assert least <= seen.number <= least + expected
    _check_whole(path)


@pytest.mark.slow
@pytest.mark.parametrize("heard", [2, 9, 24, 43])
@pytest.mark.promise("STUDY-5")
def test_a_killed_writer_leaves_a_whole_study(tmp_path: Path, heard: int) -> None:
    path = tmp_path / "s"
    with synthetic.empty_study(path) as study:
        synthetic.queue_samples(study, 12)
    with child(TRAINING, path, 12) as trainer:
        assert trainer.hear() == "ready"
        trainer.say("go")
        said = [trainer.hear().split() for _ in range(heard)]
        # It is in the middle of the next thing.
        trainer.kill()
    told: dict[str, list[list[int]]] = {}
    for word, *numbers in said:
        told.setdefault(word, []).append([int(n) for n in numbers])

    with open_study(path) as study:
        models = {one.number: one for one in study.models()}
        assert len(models) == 12
        for number, at in told.get("epoch", []):
            assert models[number].epochs >= at
        for number, at in told.get("checkpoint", []):
            assert models[number].checkpoint_epoch >= at
        for (number,) in told.get("done", []):
            assert models[number].status is Status.DONE
        for number, one in models.items():
            recorded = study.epochs(number)
            assert [e.epoch for e in recorded] == list(range(1, one.epochs + 1))
            if recorded:
                assert (one.train_loss, one.seconds) == (recorded[-1].train_loss, one.epochs / 2)
            assert (study.predictions(number) is not None) == (one.status is Status.DONE)
            if one.status is Status.DONE:
                assert study.weights_path(number).read_bytes() == f"m{number}".encode() * 50_000
            if one.checkpoint_epoch:
                # The file may be one epoch ahead of its row, never behind, and always whole.
                data = study.checkpoint_path(number).read_bytes()
                ahead = range(one.checkpoint_epoch, one.epochs + 1)
                assert data in {f"m{number} after {at}".encode() * 20_000 for at in ahead}
        # The next scheduler goes on at once.
        lease = take_lease(study, Holder.this_process("next"), 1)
        assert lease.number == 2
        assert study.counts()[Status.TRAINING] == 0
        waiting = lease.claim(12)
        assert len(waiting) + sum(m.status is Status.DONE for m in models.values()) == 12
        for one in waiting:
            assert one.status is Status.TRAINING
    _check_whole(path)
