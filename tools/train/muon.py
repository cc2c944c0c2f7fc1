"""Muon (Jordan 2024)."""
import torch


class Muon:
    """Momentum whose update is orthogonalised by five Newton-Schulz steps, for equal shapes together. Of a convolution
    the matrix is [output channels, everything else]."""

    def __init__(self, parameters, momentum=0.95):
        self.momentum, self.groups = momentum, {}
        for p in parameters:
            self.groups.setdefault(tuple(p.flatten(1).shape), []).append(p)
        self.buffers = {shape: torch.zeros(len(ps), *shape) for shape, ps in self.groups.items()}

    @torch.no_grad()
    def step(self, rate, decay):
        for shape, parameters in self.groups.items():
            gradient = torch.stack([p.grad.flatten(1) for p in parameters])
            buffer = self.buffers[shape].lerp_(gradient, 1 - self.momentum)
            x = gradient.lerp(buffer, self.momentum).bfloat16()  # Nesterov
            wide = shape[0] > shape[1]
            x = x.mT.contiguous() if wide else x
            x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
            for _ in range(5):
                a = torch.bmm(x, x.mT)
                x = 3.4445 * x + torch.bmm(torch.baddbmm(a, a, a, beta=-4.7750, alpha=2.0315), x)
            x = (x.mT if wide else x).float() * max(1, shape[0] / shape[1]) ** 0.5
            for p, update in zip(parameters, x):
                p.mul_(1 - rate * decay).sub_(update.view(p.shape), alpha=rate)
