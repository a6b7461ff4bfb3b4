"""The stand-in for an accelerator: its values are the CPU's, and it refuses and waits for what CUDA does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from symdiff.testing import LawError, StandIn, stand_in_device


@pytest.fixture
def there() -> Iterator[StandIn]:
    with stand_in_device() as device:
        yield device


def test_what_is_computed_on_it_is_what_is_computed_on_the_cpu(there: StandIn) -> None:
    generator = torch.Generator().manual_seed(0)
    A, x = torch.randn(5, 5, generator=generator), torch.randn(7, 5, generator=generator)

    def compute(A: Tensor, x: Tensor) -> Tensor:
        y = (x @ A).tanh()
        y[:, 0] += 1
        y[y < 0] = 0.0
        return torch.cat([torch.linalg.solve(A, y.T), torch.linalg.eigvals(A).abs()[:, None]], dim=1)

    found = compute(A.to(there.device), x.to(there.device))
    assert found.device == there.device
    assert torch.equal(found.cpu(), compute(A, x))


def test_conjugates_are_those_of_the_cpu(there: StandIn) -> None:
    z = torch.randn(3, 4, dtype=torch.complex64)
    away = z.to(there.device)
    assert torch.equal(torch.view_as_real(away.mH @ away).cpu(), torch.view_as_real((z.mH @ z).resolve_conj()))


def test_a_trained_network_is_that_of_the_cpu(there: StandIn) -> None:
    here = nn.Sequential(nn.Linear(4, 6), nn.SiLU(), nn.Linear(6, 2))
    away, x = copy.deepcopy(here).to(there.device), torch.randn(8, 4)
    for network, given in ((here, x), (away, x.to(there.device))):
        optimiser = torch.optim.AdamW(network.parameters(), foreach=False, fused=True)
        for _ in range(3):
            optimiser.zero_grad()
            network(given).square().sum().backward()
            optimiser.step()
    for a, b in zip(here.parameters(), away.parameters(), strict=True):
        assert torch.equal(a, b.detach().cpu())


def test_forward_derivatives_are_those_of_the_cpu(there: StandIn) -> None:
    A, x, v = torch.randn(4, 4), torch.randn(3, 4), torch.randn(3, 4)

    def product(A: Tensor, x: Tensor, v: Tensor) -> Tensor:
        derivative: Tensor = torch.func.jvp(lambda y: (y @ A).square(), (x,), (v,))[1]
        return derivative

    assert torch.equal(product(*(t.to(there.device) for t in (A, x, v))).cpu(), product(A, x, v))


REFUSED: dict[str, Callable[[Tensor], object]] = {
    "a sum of tensors on two devices": lambda x: x + torch.ones(4),
    "a product of them": lambda x: torch.ones(3, 3) @ x,
    "a stack with a number of the CPU": lambda x: torch.stack([x[0, 0], torch.tensor(1.0)]),
    "an index on the device into a tensor of the CPU": lambda x: torch.ones(3)[x[0].long()],
    "random numbers of a generator of the CPU": lambda x: torch.randn(
        3, device=x.device, generator=torch.Generator().manual_seed(0)
    ),
    "filling from a generator of the CPU": lambda x: x.normal_(generator=torch.Generator().manual_seed(0)),
    "numpy": lambda x: x.numpy(),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_gpu_refuses_is_refused(there: StandIn, what: str) -> None:
    x = torch.ones(3, 4).to(there.device)
    with pytest.raises((RuntimeError, TypeError)):
        REFUSED[what](x)


def test_numbers_of_the_cpu_go_with_tensors_of_the_device(there: StandIn) -> None:
    x = torch.ones(3, 4).to(there.device)
    with there.forbid("read", "sent"):
        y = x * torch.tensor(2.0) + 1
    assert torch.equal(y.cpu(), torch.full((3, 4), 3.0))


READ: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x[0, 0].item(),
    "float": lambda x: float(x.sum()),
    "bool": lambda x: bool((x > 0).all()),
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "to a dtype on the CPU": lambda x: x.to("cpu", torch.float64),
    "copied into a tensor of the CPU": lambda x: torch.empty(3, 4).copy_(x),
    "nonzero": lambda x: x.nonzero(),
    "a mask": lambda x: x[x > 0],
    "unique": lambda x: x.unique(),
    "equal": lambda x: torch.equal(x, x),
    "allclose": lambda x: torch.allclose(x, x),
    "the failure of an inverse": lambda x: torch.linalg.inv(x[:, :3] + 3 * torch.eye(3, device=x.device)),
}


@pytest.mark.parametrize("what", READ)
def test_what_is_read_back_is_written_down_with_the_line_that_asked(there: StandIn, what: str) -> None:
    x = torch.ones(3, 4).to(there.device)
    there.transfers.clear()
    READ[what](x)
    assert {transfer.kind for transfer in there.transfers} == {"read"}
    assert Path(there.reads[0].where.rpartition(":")[0]).name == "test_stand_in.py"
    with pytest.raises(LawError, match=r"waits for the device at .*test_stand_in\.py:\d+"), there.forbid():
        READ[what](x)


def test_what_is_copied_to_it_is_written_down(there: StandIn) -> None:
    torch.ones(3, device=there.device)
    assert not there.transfers
    for make in (lambda: torch.ones(3).to(there.device), lambda: torch.tensor([1.0, 2.0, 3.0], device=there.device)):
        assert make().tolist()
        with pytest.raises(LawError, match="of 3 numbers is a copy to the device"), there.forbid("sent"):
            make()
    assert [transfer.kind for transfer in there.transfers] == ["sent", "read"] * 2


def test_an_index_that_is_a_list_and_a_row_times_a_matrix_are_those_of_the_cpu(there: StandIn) -> None:
    x = torch.arange(12.0).reshape(3, 4)
    on_it = x.to(there.device)
    assert torch.equal(on_it[[2, 0]].cpu(), x[[2, 0]])
    assert torch.equal(on_it[:, [1, 3]].cpu(), x[:, [1, 3]])
    assert torch.equal((on_it[:, 0] @ on_it).cpu(), x[:, 0] @ x)


def test_what_is_forbidden_is_so_in_one_thread(there: StandIn) -> None:
    with ThreadPoolExecutor(1) as pool, there.forbid("read", "sent"):
        made = pool.submit(lambda: torch.arange(3).to(there.device) * torch.tensor([2, 2, 2]).to(there.device)).result()
    assert made.tolist() == [0, 2, 4]


def test_a_model_on_it_is_copied_and_written_to_a_file_with_its_values(there: StandIn, tmp_path: Path) -> None:
    network = nn.Linear(3, 2).to(there.device)
    other = copy.deepcopy(network).double()
    with torch.no_grad():
        other.weight.zero_()
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    read = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert read["weight"].device.type == "cpu"
    assert torch.equal(read["weight"], network.weight.detach().cpu())
    assert network.weight.abs().sum().item() > 0
    assert other(torch.ones(1, 3).double().to(there.device)).dtype is torch.float64


def test_outside_of_it_torch_is_as_before() -> None:
    submit = ThreadPoolExecutor.submit
    with stand_in_device():
        assert ThreadPoolExecutor.submit is not submit
    assert ThreadPoolExecutor.submit is submit
    assert type(torch.ones(2, device="meta")) is Tensor
