"""The compact sync network: motion in cells of the picture against energy in bands of the sound, at each lag.

In: `moves` (B, T, C, R, W) and `bands` (B, T, F), of `otio_avassist.energies`; T may be anything from 3 to 10
seconds. Out: logits (B, K) over lags of whole frames; positive: the sound is early. Not the published
network: it has no place for positions or classes of its own, a shift in time moves its scores by
construction, and each cell is heard by itself, so that a small thing that strikes isn't lost in a large
picture.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from otio_avassist import energies


@dataclass(frozen=True)
class CompactConfig:
    """The network's shape."""

    width: int = 48
    """Channels of what is seen and heard."""
    heads: int = 8
    """Groups of channels that are compared by themselves."""
    reach: int = 50
    """Largest lag in frames, to either side: ±2 s."""
    lag_width: int = 16
    """Channels of the layers that look along the lags."""
    shortest_s: float = 3.0
    longest_s: float = 10.0
    dropout: float = 0.1

    @property
    def offsets_s(self) -> tuple[float, ...]:
        """What each logit means."""
        return tuple(round(lag / energies.FPS, 4) for lag in range(-self.reach, self.reach + 1))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a checkpoint."""
        return asdict(self)


class Eye(nn.Module):
    """Motion of each cell, with its neighbours', through time. A quarter of the cells is left."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.near = nn.Conv2d(2 * energies.CHANNELS, width, 3, padding=1)
        self.pooled = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.through = nn.ModuleList(nn.Conv1d(width, width, 5, padding=2) for _ in range(3))
        self.drop = nn.Dropout(dropout)

    def forward(self, moves: Tensor) -> Tensor:
        """(B, T, N, D) <- (B, T, C, R, W)."""
        batch, time = moves.shape[:2]
        energy = moves[:, :, :2]
        x = torch.cat([torch.log(energy + 0.003), moves[:, :, 2:] * torch.tensor(SCALES)[:, None, None]], 2)
        # Beside what a cell does: what it does beyond what it did all the time, so that a still camera and a
        # busy background look alike.
        x = torch.cat([x + torch.tensor(MIDDLES)[:, None, None], beyond_trend(x)], 2)
        x = F.gelu(self.near(x.flatten(0, 1)))
        x = F.gelu(self.pooled(x))  # (B·T, D, R/2, W/2)
        cells = x.shape[2] * x.shape[3]
        # (B·N, D, T)
        x = x.flatten(2).unflatten(0, (batch, time)).permute(0, 3, 2, 1).flatten(0, 1)
        for layer in self.through:
            x = x + self.drop(F.gelu(layer(x)))
        return x.unflatten(0, (batch, cells)).permute(0, 3, 1, 2)


SCALES = (5.0, 1.0, 1.0)
"""Light and flow, to numbers of about one."""
MIDDLES = (4.0, 4.0, 0.0, 0.0, 0.0)


class Ear(nn.Module):
    """Energy of bands through time, four looks a frame to one."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv1d(2 * energies.BANDS, 2 * width, 5, padding=2)
        self.halves = nn.ModuleList(
            [nn.Conv1d(2 * width, 2 * width, 4, stride=2, padding=1) for _ in range(2)]
        )
        self.through = nn.ModuleList(nn.Conv1d(2 * width, 2 * width, 5, padding=2) for _ in range(2))
        self.last = nn.Conv1d(2 * width, width, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, bands: Tensor) -> Tensor:
        """(B, T, D) <- (B, T, STEPS·BANDS)."""
        x = bands.unflatten(2, (energies.STEPS, energies.BANDS)).flatten(1, 2).transpose(1, 2)
        beyond = beyond_trend(x.transpose(1, 2), energies.STEPS).transpose(1, 2)
        x = torch.cat([x / 4 + 2, beyond / 2], 1)
        x = F.gelu(self.first(x))
        for layer in self.halves:
            x = F.gelu(layer(x))
        for layer in self.through:
            x = x + self.drop(F.gelu(layer(x)))
        return self.last(x).transpose(1, 2)


PLAIN = 3
"""Comparisons that nothing has to be learnt for: motion with loudness and its rise, rise with rise."""
TREND_S = 2.0
"""Slower ups and downs are no events."""
SPECTRUM = 320
"""Frames that spectra are taken of: more than the longest window and the largest lag together."""


class CompactSync(nn.Module):
    """Eye, ear, and their agreement at each lag in each cell."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.eye = Eye(config.width, config.dropout)
        self.ear = Ear(config.width, config.dropout)
        self.seen = nn.Linear(config.width, config.width)
        self.along = nn.Sequential(
            nn.Conv1d(config.heads + PLAIN, config.lag_width, 9, padding=4),
            nn.GELU(),
            nn.Conv1d(config.lag_width, config.lag_width, 9, padding=4),
            nn.GELU(),
            nn.Conv1d(config.lag_width, 1, 9, padding=4),
        )
        self.straight = nn.Conv1d(config.heads + PLAIN, 1, 1, bias=False)
        self.cell = nn.Sequential(
            nn.Linear(2 * config.width, config.lag_width), nn.GELU(), nn.Linear(config.lag_width, 1)
        )

        # Transforms as tables, which any exporter and runtime can multiply by.
        moments = torch.arange(SPECTRUM, dtype=torch.float64)[:, None]
        waves = torch.arange(SPECTRUM // 2 + 1, dtype=torch.float64)
        turns = 2 * torch.pi * moments * waves / SPECTRUM
        lags = torch.arange(-config.reach, config.reach + 1, dtype=torch.float64)
        back = 2 * torch.pi * waves[:, None] * lags / SPECTRUM
        twice = torch.where((waves == 0) | (waves == SPECTRUM // 2), 1.0, 2.0)[:, None] / SPECTRUM
        for name, table in (
            ("forth_real", turns.cos()),
            ("forth_imag", -turns.sin()),
            ("back_real", twice * back.cos()),
            ("back_imag", -twice * back.sin()),
        ):
            self.register_buffer(name, table.float(), persistent=False)

    forth_real: Tensor
    forth_imag: Tensor
    back_real: Tensor
    back_imag: Tensor

    def forward(self, moves: Tensor, bands: Tensor) -> Tensor:
        """Logits (B, K)."""
        return torch.logsumexp(self.by_cell(moves, bands), dim=1)

    def by_cell(self, moves: Tensor, bands: Tensor) -> Tensor:
        """(B, N, K): how well each cell agrees with the sound at each lag, and how much it counts."""
        seen, heard = self.eye(moves), self.ear(bands)
        # The picture as a whole is a cell more.
        seen = torch.cat([seen, seen.mean(2, keepdim=True)], 2)
        worth = self.cell(torch.cat([seen.mean(1), seen.amax(1)], dim=2))  # (B, N, 1)
        seen = _standard(self.seen(seen))
        agreed = torch.cat(
            [
                self._agreement(seen, _standard(heard), self.config.heads),
                self._agreement(_plain_seen(moves), _plain_heard(bands), PLAIN),
            ],
            2,
        )  # (B, N, H + PLAIN, K)
        scores = agreed.flatten(0, 1)
        scores = self.straight(scores) + self.along(scores)
        return scores.unflatten(0, agreed.shape[:2])[:, :, 0] + worth

    def _spectrum(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Real and imaginary parts (…, S) of series (…, T), which silence follows."""
        time = x.shape[-1]
        return x @ self.forth_real[:time], x @ self.forth_imag[:time]

    def _agreement(self, seen: Tensor, heard: Tensor, heads: int) -> Tensor:
        """(B, N, H, K): where the sound is early by k frames, what is seen at t was heard at t - k."""
        time = seen.shape[1]
        reach = self.config.reach
        # By spectra: comparing every moment with every other costs a hundred times as much.
        with torch.autocast(seen.device.type, enabled=False):
            v_real, v_imag = self._spectrum(seen.float().movedim(1, -1))  # (B, N, D, S)
            a_real, a_imag = (part[:, None] for part in self._spectrum(heard.float().movedim(1, -1)))
            real = (v_real * a_real + v_imag * a_imag).unflatten(2, (heads, -1)).sum(3)  # (B, N, H, S)
            imag = (v_imag * a_real - v_real * a_imag).unflatten(2, (heads, -1)).sum(3)
            sums = real @ self.back_real + imag @ self.back_imag
        lags = torch.arange(-reach, reach + 1, device=seen.device).abs()
        return sums / ((time - lags).clamp(min=1) * (seen.shape[3] // heads)).sqrt()


def beyond_trend(x: Tensor, rows_a_frame: int = 1) -> Tensor:
    """(B, T, …) without its slow ups and downs, which are the scene's or the music's."""
    reach = round(TREND_S * energies.FPS * rows_a_frame / 2)
    rows = x.flatten(2).transpose(1, 2)
    # Where the window ends, the trend is that of the part that is there.
    trend = F.avg_pool1d(rows, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)
    return (rows - trend).transpose(1, 2).reshape(x.shape)


def _plain_seen(moves: Tensor) -> Tensor:
    """(B, T, N, PLAIN): log energy, twice, and its rise; of each place and of the whole picture."""
    energy = F.avg_pool2d(moves[:, :, energies.ENERGY], 2).flatten(2)  # (B, T, N)
    energy = torch.cat([energy, energy.mean(2, keepdim=True)], 2)
    energy = torch.log(energy + 0.003)
    beyond = beyond_trend(energy)
    return _standard_each(torch.stack([beyond, beyond, _rise(energy, 2)], 3))


def _plain_heard(bands: Tensor) -> Tensor:
    """(B, T, PLAIN): loudness, the rise of the bands, and both."""
    bands = bands.unflatten(2, (energies.STEPS, energies.BANDS))
    level = bands.exp().sum((2, 3)).pow(0.25)[..., None]
    # What is 40 dB below the loudest is as good as silent.
    floored = bands.flatten(1, 2)
    floored = torch.maximum(floored, floored.amax((1, 2), keepdim=True) - 9.2)
    rise = _rise(floored, 2 * energies.STEPS).mean(2).unflatten(1, (-1, energies.STEPS)).mean(2)[..., None]
    level, rise = _standard_each(beyond_trend(level)), _standard_each(beyond_trend(rise))
    return torch.cat([level, rise, rise], 2)


def _rise(x: Tensor, rows: int) -> Tensor:
    """By how much it is more than so many rows ago; falls count nothing."""
    return F.relu(x - torch.cat([x[:, :1].expand(-1, rows, *x.shape[2:]), x[:, :-rows]], 1))


def _standard_each(x: Tensor) -> Tensor:
    """Each series without its mean, and of its own size."""
    x = x - x.mean(1, keepdim=True)
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-2)


def _standard(x: Tensor) -> Tensor:
    """Without the mean over time, and of one size in all."""
    x = x - x.mean(1, keepdim=True)
    return x * torch.rsqrt(x.square().mean(1, keepdim=True).mean(-1, keepdim=True) + 1e-2)
