"""Permutations of colour channels and rotations of hue, for symdiff."""

from symdiff import hookimpl

PLUGIN_API = 1


@hookimpl
def symdiff_group_families():
    """Two families of one package."""
    from symdiff_colours.hue import HueRotations
    from symdiff_colours.permutations import ChannelPermutations

    return [ChannelPermutations, HueRotations]
