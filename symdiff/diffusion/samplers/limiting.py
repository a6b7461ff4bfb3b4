"""How samplers keep x0hat in range: clipping, and dynamic thresholding (Saharia et al. 2022, "Imagen", Sec. 2.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

CLIP = "clip_sample"
THRESHOLD = "thresholding"


def limit_in_words(config: Mapping[str, Any], known: Sequence[str]) -> str | None:
    """What a scheduler of this configuration does to x0hat; ``None`` if nothing.

    Parameters
    ----------
    config
        Of the scheduler.
    known
        Which of `CLIP` and `THRESHOLD` its class looks at: configurations carry settings of other classes along.
    """
    if THRESHOLD in known and config.get(THRESHOLD):
        return (
            f"dynamic thresholding at the {config['dynamic_thresholding_ratio']:g} quantile, "
            f"at most {config['sample_max_value']:g}"
        )
    if CLIP in known and config.get(CLIP):
        return f"x0hat clipped to ±{config.get('clip_sample_range', 1.0):g}"
    return None


def limit(
    x0hat: Float[Tensor, "batch c h w"], config: Mapping[str, Any], known: Sequence[str]
) -> Float[Tensor, "batch c h w"]:
    """Apply to x0hat what `limit_in_words` says."""
    if THRESHOLD in known and config.get(THRESHOLD):
        largest = torch.quantile(x0hat.abs().flatten(1), config["dynamic_thresholding_ratio"], dim=1)
        bound = largest.clamp(1, config["sample_max_value"])[:, None, None, None]
        return torch.clamp(x0hat, -bound, bound) / bound
    if CLIP in known and config.get(CLIP):
        bound = config.get("clip_sample_range", 1.0)
        return x0hat.clamp(-bound, bound)
    return x0hat
