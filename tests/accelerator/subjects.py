"""A small run of every family: what is trained, on what, and for how long."""

from __future__ import annotations

from functools import cache

import torch

from symdiff.diffusion import DDPM
from symdiff.diffusion.denoisers import load_denoiser
from symdiff.groups import GroupFamily
from symdiff.hae import HAE
from symdiff.training import Data, Stage
from symdiff.trajectories import ObservedSequences, Trajectories, record
from symdiff_actions.family import ActionsFamily
from symdiff_actions.options import ActionsOptions
from symdiff_affine.family import AffineFamily
from symdiff_affine.options import AffineOptions
from symdiff_escnn.family import EscnnFamily
from symdiff_escnn.options import EscnnOptions
from symdiff_geomstats.family import GeomstatsFamily
from symdiff_geomstats.options import GeomstatsOptions

CPU = torch.device("cpu")
STEPS = 6
SHAPE = (1, 8, 8)
LATENT = {"affine": 8, "affine mlp": 8, "escnn": 8, "escnn exact": 8, "geomstats": 8, "actions": 6}


@cache
def recording() -> Trajectories:
    return record(load_denoiser("mixture"), DDPM(), 12, 60, device="cpu")


@cache
def observed() -> ObservedSequences:
    """Rolled images of 20 x 20 pixels, with the way they were rolled."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(20, 5, 1, 20, 20, generator=generator)
    return ObservedSequences.of(images, torch.randn(20, 4, 2, generator=generator))


def family_of(name: str) -> GroupFamily:
    small = {"hidden": 16, "batch": 16}
    match name:
        case "affine":
            return AffineFamily(SHAPE, AffineOptions(rho="lie", **small))
        case "affine mlp":
            return AffineFamily(SHAPE, AffineOptions(rho="mlp", **small))
        case "escnn":
            return EscnnFamily(SHAPE, EscnnOptions(group="C4", rho="mlp", **small))
        case "escnn exact":
            return EscnnFamily(SHAPE, EscnnOptions(group="C4", **small))
        case "geomstats":
            return GeomstatsFamily(SHAPE, GeomstatsOptions(manifold="so", n=4, **small))
        case _:
            options = ActionsOptions(channels=4, rho="mlp", law="additive", **small)
            return ActionsFamily.of((1, 20, 20), options).for_recording(observed())


def data_of(family: GroupFamily, device: torch.device = CPU) -> Data:
    source = observed() if isinstance(family, ActionsFamily) else recording()
    train, validation, _ = source.split()
    return Data(family, train, validation, 3, 0, device)


def model_of(name: str, family: GroupFamily, device: torch.device = CPU) -> HAE:
    model = family.model(LATENT[name])
    generator = torch.Generator().manual_seed(0)
    family.initialise(model, family.sequences(data_of(family).train, 3, 200, generator))
    return model.to(device)


def stage_of(name: str) -> Stage:
    """With a penalty that is absent in the first step, and present later."""
    return Stage(name, STEPS, 1e-3, penalty=0.5)
