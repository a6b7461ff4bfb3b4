"""Cyclic translations of images and their characters, for symdiff."""

from symdiff import hookimpl

PLUGIN_API = 1


@hookimpl
def symdiff_group_families():
    """The families of this package; imported here, so that `symdiff --help` does not import torch."""
    from symdiff_translations.family import Translations

    return [Translations]
