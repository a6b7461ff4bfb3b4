"""The optimal denoiser of images of one blob anywhere on a torus."""

from hashlib import sha256

import torch

from symdiff import Denoiser, Schedule

BLOB = 1.2
"""Standard deviation of the blob, in pixels."""

KERNEL = 0.1
"""Standard deviation of the normal noise that the law of the data has around every image."""


class Blobs(Denoiser):
    """``E[x_0 | x_t]`` for x_0 one of the n^2 shifts of a blob, equally likely, plus a little noise.

    The estimate is ``m + (A h^2/s^2) (x - A m)`` with ``s^2 = A^2 h^2 + sigma^2`` and the posterior mean m of the
    shift. The weights are ``softmax_j(A <x, mu_j> / s^2)``, as all shifts have the same norm; on a torus ``<x, mu_j>``
    for all j is a correlation and m a convolution, both by the FFT. The data are closed under translations, so that
    the denoiser commutes with them exactly.

    Parameters
    ----------
    size
        n, pixels a side.
    """

    def __init__(self, size):
        digest = sha256(f"one blob of width {BLOB} on a torus of side {size}, kernel {KERNEL}".encode()).hexdigest()
        super().__init__(f"blobs:{size}", (1, size, size), Schedule.linear(), digest)
        along = torch.arange(size, dtype=torch.float64)
        distance = torch.minimum(along, size - along)
        bump = torch.exp(-(distance**2) / (2 * BLOB**2))
        self.blob = 2 * bump[:, None] * bump - 1

    def denoise(self, x, t):
        """The estimate at time t of states ``[batch, 1, n, n]``."""
        signal, sigma = self.schedule.signal(t), self.schedule.sigma(t)
        spread = (signal * KERNEL) ** 2 + sigma**2
        spectrum = torch.fft.fft2(self.blob.to(x))
        correlation = torch.fft.ifft2(torch.fft.fft2(x) * spectrum.conj()).real
        weights = (signal / spread * correlation).flatten(1).softmax(1).view_as(x)
        mean = torch.fft.ifft2(torch.fft.fft2(weights) * spectrum).real
        return mean + signal * KERNEL**2 / spread * (x - signal * mean)

    def images(self):
        """All images of the data ``[n^2, 1, n, n]``, without the noise."""
        size = self.shape[-1]
        return torch.stack(
            [self.blob.roll((i, j), (0, 1)) for i, j in torch.cartesian_prod(*2 * [torch.arange(size)]).tolist()]
        )[:, None]
