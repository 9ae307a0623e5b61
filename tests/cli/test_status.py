"""`remap status` for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from remap_panel.cli import main
from remap_ray.study import Holder, take_lease
from tests import synthetic


def test_each_model_is_one_line_and_the_best_comes_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with synthetic.full_study(tmp_path / "a study", done=5, waiting=2) as study:
        best = max(study.models(), key=lambda one: one.accuracy or 0)
        assert main(["status", str(study.path)]) == 0
        headline, _, first, *rest = capsys.readouterr().out.splitlines()
        assert headline.startswith("a study (toy): 2 queued, 5 done, nobody trains it now")
        # The hint can be pasted into a shell, whatever the path.
        assert headline.endswith(f"go on with: remap train '{study.path}'")
        assert first.split()[0] == best.name
        assert len(rest) == 6


def test_what_a_dead_scheduler_left_is_interrupted_not_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with synthetic.full_study(tmp_path / "study", done=1, waiting=2) as study:
        lease = take_lease(study, Holder.this_process("test"), 1)
        assert len(lease.claim(1)) == 1
        main(["status", str(study.path)])
        assert "1 queued, 1 training" in capsys.readouterr().out
        later = study.clock() + 60
        study.clock = lambda: later
        from remap_panel.status import headline

        assert "1 queued, 1 interrupted, 1 done, nobody trains it now" in headline(study)
