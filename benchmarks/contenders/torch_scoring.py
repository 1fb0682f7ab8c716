"""What a user writes around a torch model, batched; the contenders that are not the article share it."""

import io
from collections.abc import Sequence

import torch
from PIL import Image

from ..networks import NETWORKS, load
from .files import batches

BATCH_SIZE = 64


class TorchScorer:
    """The transform chain and the eager model on one thread: two of these share the two cores.

    `tuned` adds what a diligent user finds: channels_last and TorchScript's folding of batch norm.
    """

    def __init__(self, network: str, weights: str, *, tuned: bool = False) -> None:
        torch.set_num_threads(1)
        self.chain = NETWORKS[network].chain()
        self.model = load(NETWORKS[network], weights)
        self.tuned = tuned
        if tuned:
            self._tune(NETWORKS[network].crop)

    def _tune(self, size: int) -> None:
        self.model = self.model.to(memory_format=torch.channels_last)
        example = torch.zeros(BATCH_SIZE, 3, size, size).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            self.model = torch.jit.optimize_for_inference(torch.jit.trace(self.model, example))

    def labels(self, contents: Sequence[bytes]) -> list[int]:
        """Bytes of photos -> index of the best class of each, in batches of BATCH_SIZE."""
        return [label for batch in batches(contents, BATCH_SIZE) for label in self._labels(batch)]

    @torch.inference_mode()
    def _labels(self, contents: Sequence[bytes]) -> list[int]:
        images = torch.stack([self.chain(Image.open(io.BytesIO(c)).convert("RGB")) for c in contents])
        if self.tuned:
            images = images.contiguous(memory_format=torch.channels_last)
        labels: list[int] = self.model(images).argmax(dim=1).tolist()
        return labels
