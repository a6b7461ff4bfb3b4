"""Every law of both families, and the images they refuse."""

import math

import pytest
import torch
from symdiff_colours.channels import ChannelsError
from symdiff_colours.hue import HueRotations
from symdiff_colours.permutations import ChannelPermutations

from symdiff import ConfigError
from symdiff.testing import GroupFamilySuite

FAMILIES = [ChannelPermutations, HueRotations]


class TestChannelPermutations(GroupFamilySuite):
    def family(self):
        return ChannelPermutations((3, 2, 3))


class TestHueRotations(GroupFamilySuite):
    finite = True

    def family(self):
        return HueRotations((3, 2, 3))


def images(n=5):
    return torch.rand(n, 3, 2, 2, generator=torch.Generator().manual_seed(0)).double()


def test_red_goes_where_the_permutation_says():
    red = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
    moved = ChannelPermutations((3, 1, 1)).act(torch.tensor([2.0, 0.0, 1.0]), red)
    assert moved.flatten().tolist() == [0, 0, 1]


def test_a_third_of_a_turn_is_the_cyclic_permutation():
    turned = HueRotations((3, 2, 2)).act(torch.tensor([math.cos(2 * math.pi / 3), math.sin(2 * math.pi / 3)]), images())
    permuted = ChannelPermutations((3, 2, 2)).act(torch.tensor([1.0, 2.0, 0.0]), images())
    torch.testing.assert_close(turned, permuted, atol=1e-6, rtol=0)


def test_grey_images_stay():
    grey = images()[:, :1].expand(-1, 3, -1, -1)
    for family in FAMILIES:
        one = family((3, 2, 2))
        torch.testing.assert_close(one.act(one.sample(5), grey), grey, atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_images_without_colours_are_refused_by_name(family):
    with pytest.raises(ChannelsError, match="acts on images of 3 channels, these are 1x8x8") as caught:
        family((1, 8, 8)).latent_dimension(None)
    assert isinstance(caught.value, ConfigError)
    with pytest.raises(ChannelsError):
        one = family((1, 8, 8))
        one.act(one.identity(), torch.zeros(1, 8, 8))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_start_is_equivariant(family):
    one = family((3, 2, 2))
    model = one.model(6).double()
    from symdiff.testing.subject import made_up

    one.initialise(model, one.sequences(made_up((3, 2, 2)), 2, 64).to("cpu", torch.float64))
    g = one.sample(5)
    moved, turned = (
        model.encode(one.act(g, images())),
        model.representation(g.double()) @ model.encode(images())[..., None],
    )
    torch.testing.assert_close(moved, turned[..., 0], atol=1e-5, rtol=0)
