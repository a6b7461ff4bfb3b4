"""Small models of the diffusers library, of random weights, saved as users save theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    LDMPipeline,
    UNet2DModel,
    VQModel,
)


def unet(seed: int = 0, **config: Any) -> UNet2DModel:
    """A U-Net with attention for 8x8 images, 45,000 parameters."""
    torch.manual_seed(seed)
    attention = config.pop("attention", True)
    down, up = ("AttnDownBlock2D", "AttnUpBlock2D") if attention else ("DownBlock2D", "UpBlock2D")
    sizes = {
        "sample_size": 8,
        "in_channels": 1,
        "out_channels": 1,
        "layers_per_block": 1,
        "block_out_channels": (8, 16),
        "norm_num_groups": 4,
        "attention_head_dim": 4,
        "down_block_types": ("DownBlock2D", down),
        "up_block_types": (up, "UpBlock2D"),
        "add_attention": attention,
    }
    return UNet2DModel(**{**sizes, **config}).eval()


def transformer(**config: Any) -> DiTTransformer2DModel:
    """A diffusion transformer for 4x4x2 latents of ten classes, with learned variances."""
    torch.manual_seed(1)
    sizes = {
        "num_attention_heads": 2,
        "attention_head_dim": 8,
        "in_channels": 2,
        "out_channels": 4,
        "num_layers": 2,
        "sample_size": 4,
        "patch_size": 2,
        "num_embeds_ada_norm": 10,
        "norm_num_groups": 4,
    }
    model = DiTTransformer2DModel(**{**sizes, **config}).eval()
    for parameter in model.parameters():  # what starts as zero would hide a class that is not passed on
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def autoencoder(kind: type = AutoencoderKL, **config: Any) -> Any:
    """A decoder from 4x4x2 latents to 8x8 pictures in colour."""
    torch.manual_seed(2)
    sizes = {
        "latent_channels": 2,
        "block_out_channels": (4, 4),
        "down_block_types": ("DownEncoderBlock2D", "DownEncoderBlock2D"),
        "up_block_types": ("UpDecoderBlock2D", "UpDecoderBlock2D"),
        "norm_num_groups": 2,
        "sample_size": 8,
    }
    return kind(**{**sizes, **config}).eval()


def ddpm(folder: Path, network: UNet2DModel | None = None, safe: bool = True, **scheduler: Any) -> Path:
    """A `DDPMPipeline` in `folder`."""
    pipeline = DDPMPipeline(unet=network or unet(), scheduler=DDPMScheduler(**scheduler))
    pipeline.save_pretrained(folder, safe_serialization=safe)
    return folder


def dit(folder: Path, **config: Any) -> Path:
    """A `DiTPipeline` in `folder`."""
    scheduler = DDIMScheduler(clip_sample=False)
    DiTPipeline(transformer=transformer(**config), vae=autoencoder(), scheduler=scheduler).save_pretrained(folder)
    return folder


def latent(folder: Path) -> Path:
    """A `LDMPipeline` in `folder`."""
    network = unet(sample_size=4, in_channels=2, out_channels=2)
    quantised = autoencoder(VQModel, num_vq_embeddings=16)
    LDMPipeline(vqvae=quantised, unet=network, scheduler=DDIMScheduler(clip_sample=False)).save_pretrained(folder)
    return folder
