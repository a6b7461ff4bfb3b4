"""Images of three channels, and the error for all others."""

from symdiff import ConfigError


class ChannelsError(ConfigError):
    """The model's images have no colours to act on."""

    code = "channels"


def three_channels(shape, group):
    """Refuse images that have not three channels.

    Raises
    ------
    ChannelsError
        They have another number.
    """
    if shape[0] != 3:
        raise ChannelsError(
            f"group {group!r} acts on images of 3 channels, these are {'x'.join(map(str, shape))}",
            "choose a model of colour images",
        )


def split_grey(x):
    """The grey part of an image ``[..., 3, H, W]``, the mean of its channels, and the rest."""
    grey = x.mean(-3, keepdim=True).expand_as(x)
    return grey, x - grey
