"""From the bytes of a photo to the pixels that the graph takes: each photo by itself."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from PIL import Image

from ..engines import Images
from ..photos.decode import DEFAULT_MAX_PIXELS, decode
from ..photos.reduced import REDUCED
from ..photos.status import RowFault, Status
from ..photos.turns import is_turned
from ..transforms import usual_photo
from ..transforms.preprocess import Preprocess, resized_size
from ..transforms.usual_photo import Photo
from . import proving
from .choices import DecodeChoice
from .frames import Placed, frame_of
from .own_code import OwnCode


class PhotoReader:
    """Reads photos by a version's preprocessing, and its own transform if it has one. A fault is a row's."""

    has_places: ClassVar[bool] = False
    """Whether answers are places in the photo: then it takes no callables of a scientist's own."""
    preprocess: Preprocess
    own_code: OwnCode

    def read(
        self,
        content: bytes | None,
        choice: DecodeChoice = DecodeChoice.FULL,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> Images | Placed | RowFault:
        """Bytes of a photo -> uint8 [H, W, 3] as the graph takes it, or why not; where they are, if it `has_places`."""
        photo = self.decode(content, choice, max_pixels)
        if isinstance(photo, RowFault):
            return photo
        pixels = self.prepare(photo)
        if isinstance(pixels, RowFault) or not self.has_places:
            return pixels
        return Placed(pixels, frame_of(photo, self.preprocess))

    def decode(
        self,
        content: bytes | None,
        choice: DecodeChoice = DecodeChoice.FULL,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> Photo | RowFault:
        """Bytes of a photo -> RGB photo, or why not; reduced, it is no smaller than the resize makes it.

        A JPEG of more than DEFAULT_MAX_PIXELS, where `max_pixels` allows it, is reduced whatever the choice, unless the
        scientist's own transform is to see it: in full it would take half a gigabyte and more.
        """
        if choice is DecodeChoice.FULL and self._is_usual(content):
            pixels = usual_photo.decode(content, max_pixels=max_pixels)
            if pixels is not None:
                proving.prove_usual(self)
                return pixels
        return self.decode_by_pillow(content, choice, max_pixels)

    def decode_by_pillow(
        self, content: bytes | None, choice: DecodeChoice, max_pixels: int = DEFAULT_MAX_PIXELS
    ) -> Photo | RowFault:
        """As `decode`, without the way around Pillow that the usual photo takes to the same pixels."""
        orientation, needed = self.preprocess.orientation, self._needed(choice, max_pixels)
        return decode(content, orientation=orientation, max_pixels=max_pixels, needed=needed)

    def _needed(
        self, choice: DecodeChoice, max_pixels: int
    ) -> Callable[[tuple[int, int]], tuple[int, int]] | None:
        """Which size of a photo is enough; None where only the whole is."""
        needed = partial(resized_size, spec=self.preprocess)
        if choice is DecodeChoice.REDUCED:
            return needed
        if self.own_code.transform is not None or max_pixels <= DEFAULT_MAX_PIXELS:
            return None
        return lambda size: needed(size) if DEFAULT_MAX_PIXELS < size[0] * size[1] <= max_pixels else size

    @property
    def _wants_pixels_alone(self) -> bool:
        """Whether a photo's pixels are all that is wanted: a transform of one's own may look at EXIF or profile."""
        return self.own_code.transform is None

    def _is_usual(self, content: bytes | None) -> bool:
        return self._wants_pixels_alone and (
            self.preprocess.orientation == "ignore" or not is_turned(content)
        )

    def prepare(self, photo: Photo) -> Images | RowFault:
        """RGB photo -> uint8 [H, W, 3] as the graph takes it, or what the scientist's transform raised."""
        try:
            return self._prepare(photo)
        except (
            MemoryError,
            Image.DecompressionBombError,
        ):  # which Pillow has against more than twice its limit
            width, height = usual_photo.size_of(photo)
            return RowFault(
                Status.TOO_LARGE, f"{width} x {height} pixels take more memory to resize than there is"
            )

    def _prepare(self, photo: Photo) -> Images | RowFault:
        if self.own_code.transform is None:
            return usual_photo.transform(photo, self.preprocess)
        try:
            image = self.own_code.transform(usual_photo.as_image(photo))
            image.info.pop(REDUCED, None)  # true of the photo as it was decoded
        except MemoryError:
            raise
        except Exception as error:  # somebody else's code: whatever it raises is this row's fault
            return RowFault(Status.UNSUPPORTED, f"the model's own transform raised {error!r}")
        return usual_photo.transform(image, self.preprocess)
