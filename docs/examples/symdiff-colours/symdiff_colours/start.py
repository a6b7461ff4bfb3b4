"""A linear encoder that is equivariant: the same pictures are taken of grey and of both colour axes."""

import torch


@torch.no_grad()
def start(model, sequences, plane):
    """Set the encoder to ``(u . grey, (u . colour_1, u . colour_2))`` for principal pictures u, and solve the decoder.

    A picture u is a row ``[H W]``; grey is the mean of the channels, and the colour coordinates are those of `plane`
    ``[2, 3]``. The group moves colour coordinates among themselves and leaves pictures alone, so that both latents of
    a plane move as the coordinates do, whatever u is. Pictures are principal components of all coordinates at once.
    """
    from symdiff.closed_form import fit_linear_decoder, principal_components

    weight = model.encoder.linear.weight
    copies = weight.shape[0] // 3
    coordinates = torch.cat([torch.full((1, 3), 3**-0.5), plane]).to(weight)
    states = sequences.observations.flatten(0, 1).flatten(2).to(weight)  # [n, 3, H W]
    pictures = principal_components((coordinates @ states).flatten(0, 1), min(copies, states.shape[2]))
    u = pictures.directions / pictures.variances[0].sqrt().clamp_min(1e-6)
    rows = torch.einsum("kp,ac->kacp", u, coordinates).flatten(2)  # [copies, 3 coordinates, 3 H W]
    model.encoder.linear.bias.zero_()
    weight.zero_()
    weight[: len(u)] = rows[:, 0]
    weight[copies : copies + 2 * len(u)] = rows[:, 1:].flatten(0, 1)
    for parameter in model.encoder.network[-1].parameters():
        parameter.zero_()
    fit_linear_decoder(model, sequences)
