"""``Z_H x Z_W`` acting by shifts, represented by its characters on Fourier coefficients."""

import torch

from symdiff import ConfigError, GroupFamily
from symdiff_translations.characters import Characters, chosen, fourier_rows


class Translations(GroupFamily):
    """The element (dy, dx) shifts an image down and to the right, and around the border.

    rho is exact by construction, and training starts where the encoder is: at Fourier coefficients, whose prediction
    error is 0.
    """

    name = "translations"
    summary = "Z_H x Z_W: cyclic translations of the image, represented by characters"
    element_shape = (2,)

    @property
    def title(self):
        """``Z_8 x Z_8``."""
        height, width = self.observation_shape[1:]
        return f"the group Z_{height} x Z_{width} of cyclic translations"

    def _wrapped(self, g):
        return g % g.new_tensor(self.observation_shape[1:])

    def identity(self):
        """(0, 0)."""
        return torch.zeros(2)

    def compose(self, g2, g1):
        """The sum, modulo the sides."""
        return self._wrapped(g2 + g1)

    def inverse(self, g):
        """The opposite shift."""
        return self._wrapped(-g)

    def sample(self, n, generator=None):
        """Uniform: the Haar measure."""
        sides = self.observation_shape[1:]
        return torch.stack([torch.randint(side, (n,), generator=generator) for side in sides], -1).float()

    def distance(self, g1, g2):
        """The length of the shortest way around the torus."""
        return torch.minimum(self._wrapped(g1 - g2), self._wrapped(g2 - g1)).norm(dim=-1)

    def act(self, g, x):
        """``(g x)[i, j] = x[i - dy, j - dx]``."""
        x = x.expand(*torch.broadcast_shapes(g.shape[:-1], x.shape[:-3]), *x.shape[-3:])
        dy, dx = g.expand(*x.shape[:-3], 2).long()[..., None].unbind(-2)
        rows = (torch.arange(x.shape[-2], device=x.device) - dy) % x.shape[-2]
        columns = (torch.arange(x.shape[-1], device=x.device) - dx) % x.shape[-1]
        return x.take_along_dim(rows[..., None, :, None], -2).take_along_dim(columns[..., None, None, :], -1)

    def features(self, g):
        """Cosine and sine of the angles."""
        angle = 2 * torch.pi * g / g.new_tensor(self.observation_shape[1:])
        return torch.cat([angle.cos(), angle.sin()], -1)

    def haar_elements(self):
        """All of them."""
        height, width = self.observation_shape[1:]
        return torch.cartesian_prod(torch.arange(height), torch.arange(width)).float()

    def factors(self):
        """Shifts down, and shifts to the right."""
        height, width = (torch.arange(side).float() for side in self.observation_shape[1:])
        down = torch.stack([height, torch.zeros_like(height)], -1)
        return {"down": down, "right": torch.stack([torch.zeros_like(width), width], -1)}

    def isotypic_components(self, x):
        """The Fourier picture: the part of the image in every shell ``n <= |k| < n+1`` of frequencies.

        A shell is a sum of isotypic components, one a character: 34 of them for 8x8 images are too many to read.
        """
        height, width = x.shape[-2:]
        rows = torch.fft.fftfreq(height, 1 / height, device=x.device)
        columns = torch.fft.fftfreq(width, 1 / width, device=x.device)
        shell = (rows[:, None] ** 2 + columns**2).sqrt().floor()
        spectrum = torch.fft.fft2(x)
        return {f"|k| = {int(n)}": torch.fft.ifft2(spectrum * (shell == n)).real for n in shell.unique()}

    def latent_dimension(self, requested):
        """33 by default, one constant and 16 planes; fewer where there are fewer characters."""
        channels, height, width = self.observation_shape
        latent = min(33, channels * height * width) if requested is None else requested
        if chosen((height, width), channels, latent) is None:
            raise ConfigError(
                f"characters of {height}x{width} images do not add up to --latent {latent}",
                f"choose an odd number up to {channels * height * width}",
            )
        return latent

    def block_sizes(self, latent):
        """1 where k = -k, else 2."""
        return self.representation(latent).block_sizes

    def _kept(self, latent):
        return chosen(self.observation_shape[1:], self.observation_shape[0], self.latent_dimension(latent))

    def representation(self, latent):
        """The characters of the lowest frequencies."""
        return Characters(self.observation_shape[1:], self._kept(latent))

    def initialise(self, model, sequences):
        """Fourier coefficients, and the least-squares decoder of the default start."""
        from symdiff.closed_form import fit_linear_decoder

        with torch.no_grad():
            rows = fourier_rows(self.observation_shape, self._kept(model.representation.dimension))
            model.encoder.linear.weight.copy_(rows)
            model.encoder.linear.bias.zero_()
            for parameter in model.encoder.network[-1].parameters():
                parameter.zero_()  # nothing but the linear part, until training finds a use for more
        fit_linear_decoder(model, sequences)
