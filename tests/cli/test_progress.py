"""What a terminal is told while a queue runs."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from remap_panel.progress import follow
from remap_ray.study import Holder, take_lease
from tests import synthetic


def test_each_end_is_a_line_and_so_is_a_pause(tmp_path: Path) -> None:
    out = io.StringIO()
    with synthetic.empty_study(tmp_path / "s") as study:
        synthetic.queue_samples(study, 3)
        lease = take_lease(study, Holder.this_process("test"), 1)
        with follow(study, Console(file=out, width=200)) as progress:
            progress.tick()
            assert out.getvalue() == ""
            study.pause()
            progress.tick()
            progress.tick()
            study.resume()
            progress.tick()
            synthetic.train_falsely(study, lease, 1)
            progress.tick()
            study.cancel(2)
            study.delete(3)
            progress.tick()
        lease.release()
        lines = out.getvalue().splitlines()
        assert lines[0] == f"the queue is paused; go on with: remap queue {study.path} resume"
        assert lines[1] == "the queue goes on"
        assert lines[2].startswith("m1 done: accuracy ")
        assert lines[3] == "m2 cancelled: cancelled while waiting"
        assert len(lines) == 4
