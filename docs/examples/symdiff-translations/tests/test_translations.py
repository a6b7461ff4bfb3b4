"""Every law of a group family, and what is known of characters."""

import pytest
import torch
from symdiff_translations.characters import chosen, fourier_rows, frequencies
from symdiff_translations.family import Translations

from symdiff import ConfigError, decompose
from symdiff.testing import GroupFamilySuite


class TestTranslations(GroupFamilySuite):
    def family(self):
        return Translations((1, 4, 5))


class TestTranslationsOfColourImages(GroupFamilySuite):
    latent = 12
    examples = 4

    def family(self):
        return Translations((3, 4, 4))


def test_characters_of_all_frequencies_are_as_many_as_pixels():
    for sides in ((8, 8), (4, 5), (3, 3), (1, 6)):
        assert sum(dimension for _, dimension in frequencies(sides)) == sides[0] * sides[1]


def test_fourier_coefficients_are_equivariant_exactly():
    family = Translations((2, 4, 5))
    kept = chosen((4, 5), 2, 40)
    rows = fourier_rows(family.observation_shape, kept).double()
    torch.testing.assert_close(rows @ rows.T, torch.eye(40).double(), atol=1e-6, rtol=0)
    x = torch.randn(7, 2, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    g = family.sample(7, torch.Generator().manual_seed(1))
    moved = family.act(g, x).flatten(1) @ rows.T
    turned = (family.representation(40).double()(g) @ (x.flatten(1) @ rows.T)[..., None])[..., 0]
    torch.testing.assert_close(moved, turned, atol=1e-5, rtol=0)


def test_decompose_finds_the_fourier_blocks_in_a_hidden_basis():
    family = Translations((1, 5, 5))
    basis = torch.linalg.qr(torch.randn(9, 9, generator=torch.Generator().manual_seed(0)).double()).Q
    g = family.sample(24, torch.Generator().manual_seed(1))
    found = decompose((basis @ family.representation(9).double()(g) @ basis.T).numpy(), noise=1e-6)
    assert found.verdict == "decomposable"
    assert sorted((block.dim, block.multiplicity) for block in found.blocks) == [(1, 1)] + 4 * [(2, 1)]


def test_a_latent_dimension_that_characters_do_not_add_up_to_is_refused():
    with pytest.raises(ConfigError, match="do not add up to --latent 26"):
        Translations((1, 5, 5)).latent_dimension(26)
