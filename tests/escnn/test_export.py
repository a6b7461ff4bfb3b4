"""What is evaluated in place of an equivariant model is the same function, in plain PyTorch."""

from __future__ import annotations

import pytest
import torch

from symdiff.hae import Encoder
from symdiff_escnn.export import PlainConvolution, PlainDecoder, PlainEncoder
from symdiff_escnn.family import EscnnFamily
from symdiff_escnn.options import EscnnOptions


@pytest.mark.parametrize(
    "options", [{"group": "D4"}, {"group": "C3"}, {"group": "SO2"}, {"group": "O2"}, {"layers": "conv"}], ids=str
)
def test_the_exported_model_is_the_same_function(options: dict[str, str]) -> None:
    family = EscnnFamily.of((2, 6, 6), EscnnOptions(hidden=32, **options))
    latent = family.latent_dimension(None)
    model = family.model(latent).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():  # a fresh model is linear
            parameter.copy_(torch.randn_like(parameter) / 4)
        exported = family.for_evaluation(model)
        x, z = torch.randn(3, 5, 2, 6, 6).double(), torch.randn(3, 5, latent).double()
        torch.testing.assert_close(exported.encode(x), model.encode(x), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(exported.decode(z), model.decode(z), rtol=1e-10, atol=1e-10)
    assert isinstance(exported.encoder, PlainEncoder)
    assert isinstance(exported.decoder, PlainDecoder)
    assert exported.representation is model.representation
    if "layers" in options:
        assert any(isinstance(part, PlainConvolution) for part in exported.encoder.modules())


def test_plain_networks_are_evaluated_as_they_are() -> None:
    family = EscnnFamily.of((1, 6, 6), EscnnOptions(group="C4", rho="mlp", encoder="plain"))
    model = family.model(8)
    assert family.for_evaluation(model) is model
    assert isinstance(model.encoder, Encoder)
