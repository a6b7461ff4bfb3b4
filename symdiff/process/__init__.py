"""What a model's reverse steps are as group elements, measured before any representation is learned."""

from symdiff.process.describe import describe
from symdiff.process.equivariance import equivariance
from symdiff.process.images_file import read_images, refuse_other_shape
from symdiff.process.linear_part import linear_part
from symdiff.process.origin import model_of, warn_of_settings_without_effect
from symdiff.process.shared import shared_affine_r2

__all__ = [
    "describe",
    "equivariance",
    "linear_part",
    "model_of",
    "read_images",
    "refuse_other_shape",
    "shared_affine_r2",
    "warn_of_settings_without_effect",
]
