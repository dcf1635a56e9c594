"""What the compact codebook is shown of a spectrogram: only what is loud enough to be worth a code.

In: spectrograms in [0, 1], 100 dB. Out: in [-1, 1], the lowest `FLOOR` of them gone, and back again, where
what was gone is silence. Codes that would be spent on the hiss under a sound are spent on the sound.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.foley.codebook import Codebook
from models.foley.compact.patches import Patches

FLOOR = 0.2
"""20 of 100 dB."""
KNEE = 0.08
"""Of what is left: below it, a spectrogram falls to silence."""


def squeezed(mels: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1]."""
    return 2 * ((mels - FLOOR) / (1 - FLOOR)).clamp(0, 1) - 1


def released(x: Tensor) -> Tensor:
    """[-1, 1], or somewhat beyond -> [0, 1]."""
    share = ((x + 1) / 2).clamp(0, 1)
    return (1 - FLOOR) * share + FLOOR * (share / KNEE).clamp(max=1)


class Gated(nn.Module):
    """A codebook behind the gate, with spectrograms in [-1, 1] as any other has them."""

    def __init__(self, codebook: Codebook | Patches) -> None:
        super().__init__()
        self.inner = codebook
        self.config, self.quantize = codebook.config, codebook.quantize

    def before_codes(self, x: Tensor) -> Tensor:
        """As `Patches.before_codes`."""
        return self.inner.before_codes(squeezed((x + 1) / 2))

    def decode_codes(self, codes: Tensor) -> Tensor:
        """As `Patches.decode_codes`."""
        return 2 * released(self.inner.decode_codes(codes)) - 1

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As `Patches.forward`."""
        rows, columns = (side // self.config.frames_per_column for side in x.shape[2:])
        _, loss, codes = self.quantize(self.before_codes(x))
        return self.decode_codes(codes.unflatten(1, (rows, columns))), loss
