from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remap_ray.cluster.plan import Plan, Wanted, check_local, gpus_here, plan, with_wishes
from remap_ray.errors import InvalidRequest
from remap_ray.study import Wished


@pytest.mark.parametrize(
    ("wanted", "cpus", "gpus", "planned"),
    [
        (Wanted(), 2, 0, Plan(2, 1, 0.0)),
        (Wanted(workers=1), 2, 0, Plan(1, 2, 0.0)),
        (Wanted(workers=3), 8, 0, Plan(3, 2, 0.0)),
        # Where there is a GPU, four models share it.
        (Wanted(), 16, 1, Plan(4, 4, 0.25)),
        (Wanted(), 2, 1, Plan(4, 0.5, 0.25)),
        (Wanted(workers=2, gpus_per_model=0.25), 2, 1, Plan(2, 1, 0.25)),
        (Wanted(gpus_per_model=0), 4, 1, Plan(4, 1, 0.0)),
        (Wanted(gpus_per_model=0.5), 16, 2, Plan(4, 4, 0.5)),
        (Wanted(gpus_per_model=2), 16, 4, Plan(2, 8, 2)),
        # On a cluster the CPUs lie on several nodes: one each fits anywhere.
        (Wanted(address="auto"), 32, 0, Plan(32, 1, 0.0)),
    ],
)
def test_a_machine_is_divided(wanted: Wanted, cpus: int, gpus: float, planned: Plan) -> None:
    assert plan(wanted, cpus, gpus) == planned


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        (Wanted(workers=0), "--workers"),
        (Wanted(workers=3), "2 CPUs"),
        (Wanted(gpus_per_model=0.25), "there is no GPU"),
        (Wanted(gpus_per_model=0.3), "--gpus-per-model"),
        (Wanted(gpus_per_model=1.5), "--gpus-per-model"),
        (Wanted(gpus_per_model=-1), "--gpus-per-model"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(wanted: Wanted, named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        plan(wanted, 2, 0)


def test_a_fraction_is_checked_before_ray_is_there() -> None:
    with pytest.raises(InvalidRequest, match="divides a GPU"):
        check_local(Wanted(gpus_per_model=0.4))
    with pytest.raises(InvalidRequest, match="CPUs here"):
        check_local(Wanted(workers=10_000))
    check_local(Wanted(gpus_per_model=0.25, logical_gpus=1))
    # What a cluster has only Ray knows.
    check_local(Wanted(workers=10_000, gpus_per_model=0.25, address="auto"))


def test_more_trainers_than_a_gpu_can_hold_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="more than 1 GPU can hold: at most 4"):
        plan(Wanted(workers=5, gpus_per_model=0.25), 16, 1)


def test_what_the_command_says_comes_before_what_is_wished() -> None:
    wished = Wished(paused=True, workers=1, gpus_per_model=0.5)
    assert with_wishes(Wanted(), wished) == Wanted(workers=1, gpus_per_model=0.5)
    assert with_wishes(Wanted(workers=2), wished) == Wanted(workers=2, gpus_per_model=0.5)
    assert with_wishes(Wanted(address="auto"), Wished()) == Wanted(address="auto")


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, 1), (1, 1), (3, 3)])
def test_a_trainer_has_as_many_threads_as_cpus(cpus: float, threads: int) -> None:
    assert Plan(1, cpus, 0.0).threads == threads


@pytest.mark.skipif(gpus_here() > 0, reason="this machine has a GPU")
def test_a_gpu_that_is_not_here_is_noticed_before_ray_is_there() -> None:
    with pytest.raises(InvalidRequest, match="there is no GPU"):
        check_local(Wanted(gpus_per_model=0.25))


@given(
    cpus=st.integers(1, 512),
    gpus=st.integers(0, 16),
    parts=st.sampled_from([None, 0, 1, 1 / 2, 1 / 3, 1 / 7, 2]),
)
@pytest.mark.promise("QUEUE-8")
def test_what_is_planned_fits(cpus: int, gpus: int, parts: float | None) -> None:
    try:
        planned = plan(Wanted(gpus_per_model=parts), cpus, gpus)
    except InvalidRequest:
        assert parts is not None
        assert parts > gpus
        return
    assert planned.workers * planned.cpus_each <= cpus + 1e-9
    assert planned.workers * planned.gpus_each <= gpus + 1e-6
    assert planned.workers >= 1
