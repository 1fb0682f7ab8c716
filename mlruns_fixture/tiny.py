"""A model whose answers can be checked by eye: it names the colour that a photo has most of."""

import torch

from pyfunc_models import Preprocess

LABELS = ("red", "green", "blue", "grey")
PREPROCESS = Preprocess(resize=40, crop=(32, 32), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


class ColourNet(torch.nn.Module):
    """float32 [N, 3, H, W] in -1..1 -> logits float32 [N, 4] for `LABELS`.

    `sharpness` scales the logits: a sharper one gives the same labels with higher scores.
    """

    def __init__(self, sharpness: float = 2.0) -> None:
        super().__init__()
        self.colours = torch.nn.Conv2d(3, len(LABELS), kernel_size=1)
        weights = torch.tensor([[2.0, -1.0, -1.0], [-1.0, 2.0, -1.0], [-1.0, -1.0, 2.0], [0.0, 0.0, 0.0]])
        self.colours.weight.data = (sharpness * weights)[:, :, None, None]
        self.colours.bias.data = sharpness * torch.tensor([0.0, 0.0, 0.0, 0.5])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """See the class."""
        logits: torch.Tensor = self.colours(images).mean(dim=(2, 3))
        return logits
