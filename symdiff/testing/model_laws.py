"""The laws of representations and of the models a family makes."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from safetensors.torch import load, save
from torch import Tensor

from symdiff.groups import GroupFamily
from symdiff.hae import HAE, losses
from symdiff.representations import Representation
from symdiff.testing.failure import require, require_close
from symdiff.testing.group_laws import TOLERANCE
from symdiff.trajectories import Sequences


@torch.no_grad()
def assert_homomorphism(
    rho: Representation,
    family: GroupFamily,
    g2: Shaped[Tensor, "n *element"],
    g1: Shaped[Tensor, "n *element"],
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """``rho(g2 g1) = rho(g2) rho(g1)`` and ``rho(e) = 1``.

    Raises
    ------
    LawError
        It does not hold.
    """
    given = {"g2": g2, "g1": g1}
    left, right = rho(family.compose(g2, g1)), rho(g2) @ rho(g1)
    require_close(left, right, "rho(g2 g1) = rho(g2) rho(g1)", rho, ("blocks",), given, tolerance, 2)
    e = family.identity().to(g1)
    one = torch.eye(rho.dimension).to(left)
    require_close(rho(e[None])[0], one, "rho(e) = 1", rho, ("blocks",), {"e": e}, tolerance, 2)


@torch.no_grad()
def assert_representation(
    rho: Representation, family: GroupFamily, g: Shaped[Tensor, "n *element"], latent: int
) -> None:
    """Invertible block-diagonal matrices of the latent dimension, for any batch of elements.

    Raises
    ------
    LawError
        They are not.
    """
    look_at = ("blocks", "block_sizes")
    details = f"block_sizes {rho.block_sizes} sum to {rho.dimension}"
    require(rho.dimension == latent, f"rho has dimension {latent}", rho, look_at, details)
    matrices = rho(g)
    details = f"found {tuple(matrices.shape)}"
    require(matrices.shape == (len(g), latent, latent), "rho(g) is [..., m, m]", rho, look_at, details)
    require(bool(matrices.isfinite().all()), "rho(g) is finite", rho, look_at)
    volume = torch.linalg.slogdet(matrices).logabsdet
    require(bool(volume.isfinite().all()), "rho(g) is invertible", rho, look_at, f"log |det| are {volume.tolist()}")
    require_close(rho(g[:, None])[:, 0], matrices, "rho of a batch is rho of its items", rho, look_at, None, 1e-6, 2)


def assert_finite_losses(model: HAE, family: GroupFamily, sequences: Sequences) -> None:
    """The losses of a model and all their gradients are finite.

    Raises
    ------
    LawError
        One is NaN or infinite.
    """
    model.zero_grad()
    parts = losses(model, sequences.observations, sequences.actions)
    penalty = model.representation.penalty(sequences.actions.flatten(0, 1))
    total = parts.prediction + parts.reconstruction + penalty
    values = (part.detach().item() for part in (*parts, penalty))
    details = "prediction {}, reconstruction {}, penalty {}".format(*values)
    look_at = ("encoder", "representation", "decoder")
    require(bool(total.isfinite()), "the losses of a fresh model are finite", family, look_at, details)
    if total.requires_grad:
        total.backward()
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        finite = gradient is None or bool(gradient.isfinite().all())
        require(finite, f"the gradient of {name} is finite", family, look_at, f"found {gradient}")


@torch.no_grad()
def assert_serialises(model: HAE, fresh: HAE, family: GroupFamily, sequences: Sequences) -> None:
    """A model's tensors, written and read back into a fresh model, give the same model.

    Parameters
    ----------
    model
        Any model of the family.
    fresh
        Another one of the same size, whose weights are replaced.

    Raises
    ------
    LawError
        Something that matters is not among the tensors.
    """
    written = save({name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()})
    fresh.load_state_dict(load(written))
    x, g = sequences.observations[:, 0], sequences.actions[:, 0]
    pairs = {
        "encoder": (fresh.encode(x), model.encode(x)),
        "representation": (fresh.representation(g), model.representation(g)),
        "decoder": (fresh.decode(model.encode(x)), model.decode(model.encode(x))),
    }
    for name, (found, expected) in pairs.items():
        law = f"the {name} of a model is the same after writing and reading its tensors"
        require_close(found, expected, law, family, (name, "initialise"), None, 1e-6, 1)


def assert_same_by_seed(family: GroupFamily, other: GroupFamily, latent: int) -> None:
    """``model(latent, seed)`` is the same for the same seed, and leaves torch's own generator alone.

    Raises
    ------
    LawError
        It is not, or does not.
    """
    look_at = ("model", "encoder", "representation", "decoder")
    before = torch.random.get_rng_state()
    one, two = (f.model(latent, 3).state_dict() for f in (family, other))
    untouched = torch.equal(before, torch.random.get_rng_state())
    require(untouched, "model() leaves torch's global generator as it was", family, look_at)
    require(one.keys() == two.keys(), "a model has the same tensors for the same seed", family, look_at)
    for name, tensor in one.items():
        require(torch.equal(tensor, two[name]), f"{name} of a model is the same for the same seed", family, look_at)
