"""Memory that runs out is recognised, and foreseen where it is certain."""

import subprocess
import sys

import pytest
import torch

from remap_ray.space import Activation, Architecture, Conv, Dense, Dropout, MaxPool
from remap_ray.training import memory
from remap_ray.training.network import build


def test_the_errors_of_torch_and_python_are_recognised():
    with pytest.raises(RuntimeError) as caught:
        # 2**62 bytes: more than any address space.
        torch.empty(2**60)
    assert memory.ran_out(caught.value)
    assert memory.ran_out(MemoryError())
    assert memory.ran_out(torch.OutOfMemoryError("CUDA out of memory"))
    assert memory.ran_out(RuntimeError("CUDA error: out of memory"))


def test_other_errors_are_not():
    with pytest.raises(RuntimeError) as caught:
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    assert not memory.ran_out(caught.value)
    assert not memory.ran_out(ValueError("not enough memory"))
    assert not memory.ran_out(RuntimeError("CUDA error: device-side assert triggered"))


def test_the_lower_bound_counts_parameters_four_times_and_the_inputs_that_backward_needs():
    layers = (Conv(8, 3), Activation("relu"), MaxPool(2), Dropout(0.5), Dense(5))
    architecture = Architecture((1, 10, 10), 3, layers)
    inputs = 100 + 8 * 8 * 8 + 8 * 4 * 4 + 5
    assert memory.least(architecture, 7) == 4 * (4 * architecture.parameter_count + 7 * inputs)


@pytest.mark.parametrize("batch_size", [1, 64])
def test_the_lower_bound_is_below_what_torch_allocates(batch_size):
    layers = (Conv(8, 3), Activation("relu"), MaxPool(2), Dense(64), Activation("tanh"))
    architecture = Architecture((3, 20, 20), 10, layers)
    kept = []

    def keep(tensor):
        kept.append(tensor)
        return tensor

    network = build(architecture, seed=0)
    optimizer = torch.optim.Adam(network.parameters())
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = network(torch.rand(batch_size, 3, 20, 20)).sum()
    loss.backward()
    optimizer.step()
    held = [*kept, *network.parameters(), *(one.grad for one in network.parameters())]
    held += [tensor for state in optimizer.state.values() for tensor in state.values()]
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in held}
    assert 0 < memory.least(architecture, batch_size) <= sum(storages.values())


def test_a_network_that_cannot_fit_is_named_with_both_numbers_and_a_way_out():
    large = Architecture((1, 28, 28), 10, (Dense(65536), Dense(65536)))
    problem = memory.problem(large, 256, 16 * 10**9)
    assert problem is not None
    assert "at least 69.7 GB" in problem
    assert "16.0 GB" in problem
    assert "4,347,133,962 parameters" in problem
    assert "fewer parameters or a smaller batch" in problem


def test_a_network_that_may_fit_has_no_problem():
    small = Architecture((1, 28, 28), 10, (Dense(16),))
    assert memory.problem(small, 256, memory.least(small, 256)) is None
    assert memory.problem(small, 256, memory.least(small, 256) - 1) is not None
    assert memory.problem(small, 256, None) is None


def test_this_machine_knows_its_memory():
    installed = memory.installed()
    assert installed is None or installed > 2**28


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_CGROUP_LIMIT", limit)
    without = memory.installed()
    limit.write_text("1000000\n")
    assert memory.installed() == 1_000_000
    limit.write_text("max\n")
    assert memory.installed() == without


def test_the_scheduler_counts_the_kernels_kills_without_pytorch():
    # Which would keep it from hearing a cancel for the seconds that it loads.
    program = (
        "import sys; from remap_ray.cluster import actors; actors._kills(); print(*sys.modules)"
    )
    seen = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(seen.stdout.split())
    assert "remap_ray.training.memory" in loaded
    assert "torch" not in loaded


def test_what_the_kernel_has_killed_is_counted(tmp_path):
    told = tmp_path / "vmstat"
    told.write_text("pgfault 77\noom_kill 3\noom_kill_other 9\n")
    assert memory.kills(told) == 3
    told.write_text("pgfault 77\n")
    assert memory.kills(told) == 0
    assert memory.kills(tmp_path / "nothing") == 0
    assert memory.kills() >= 0
