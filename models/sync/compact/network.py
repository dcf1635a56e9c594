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


MOMENT = 5
"""Frames of a moment that is told apart from others when asked what decided: 0.2 s."""
NEAR = 5
"""Frames beside the likeliest lag that count as it: as near as an answer is called right."""


@dataclass(frozen=True)
class _Compared:
    """What a network compares, and what it makes of it."""

    seen: Tensor
    """(B, T, N, D)."""
    heard: Tensor
    """(B, T, D)."""
    plain_seen: Tensor
    plain_heard: Tensor
    agreed: Tensor
    """(B, N, H + PLAIN, K)."""
    scores: Tensor
    """(B, N, K)."""


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
        return self._compared(moves, bands).scores

    def looked(self, moves: Tensor, bands: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, K), and what decided for the likeliest lag.

        A place's share of the vote, times what each moment adds to its score: the score's slope along the
        products that its comparisons are sums of, times the products. What speaks against isn't told, and
        the less the lag is believed in, the more even it is.

        Returns:
            Logits; (B, 1, 1, 1, t, h, w) and (B, 1, 1, 1, 1, t) that sum to 1, t a moment of `MOMENT` frames.
        """
        found = self._compared(moves, bands)
        logits = torch.logsumexp(found.scores, dim=1)
        belief, best = torch.softmax(logits, 1), logits.argmax(1, keepdim=True)  # (B, 1)
        lags = torch.arange(logits.shape[1], device=logits.device)
        belief = (belief * ((lags - best).abs() <= NEAR)).sum(1)
        at_best = (lags == best).to(logits.dtype)[:, None]  # (B, 1, K)
        votes = torch.softmax((found.scores * at_best).sum(2), 1)  # (B, N)
        slopes = self._slopes(found.agreed, at_best) * votes[:, :, None, None]
        learnt = self._moments(found.seen, found.heard, slopes[:, :, : self.config.heads])
        plain = self._moments(found.plain_seen, found.plain_heard, slopes[:, :, self.config.heads :])
        places, listened = learnt[0] + plain[0], learnt[1] + plain[1]
        # The picture as a whole is every place alike.
        places = places[:, :, :-1] + places[:, :, -1:] / (places.shape[2] - 1)
        rows = energies.ROWS // 2
        v_looked = _shares(places, belief).unflatten(2, (rows, -1))[:, None, None, None]
        a_looked = _shares(listened[:, :, None], belief).transpose(1, 2)[:, None, None, None]
        return logits, v_looked, a_looked

    def _compared(self, moves: Tensor, bands: Tensor) -> _Compared:
        seen, heard = self.eye(moves), self.ear(bands)
        # The picture as a whole is a cell more.
        seen = torch.cat([seen, seen.mean(2, keepdim=True)], 2)
        worth = self.cell(torch.cat([seen.mean(1), seen.amax(1)], dim=2))  # (B, N, 1)
        seen, heard = _standard(self.seen(seen)), _standard(heard)
        plain_seen, plain_heard = _plain_seen(moves), _plain_heard(bands)
        agreed = torch.cat(
            [
                self._agreement(seen, heard, self.config.heads),
                self._agreement(plain_seen, plain_heard, PLAIN),
            ],
            2,
        )
        scores = agreed.flatten(0, 1)
        scores = self.straight(scores) + self.along(scores)
        scores = scores.unflatten(0, agreed.shape[:2])[:, :, 0] + worth
        return _Compared(seen, heard, plain_seen, plain_heard, agreed, scores)

    def _slopes(self, agreed: Tensor, at: Tensor) -> Tensor:
        """How scores at a lag, one of `at` (B, 1, K), change with each comparison. Shape: that of `agreed`.

        By hand: no exporter writes a backward pass.
        """
        first, second, third = (each for each in self.along if isinstance(each, nn.Conv1d))
        inner = first(agreed.flatten(0, 1))
        outer = second(F.gelu(inner))
        slope = at[:, None].expand(-1, agreed.shape[1], -1, -1).flatten(0, 1)
        straight = F.conv_transpose1d(slope, self.straight.weight)
        for layer, through in ((third, outer), (second, inner)):
            slope = F.conv_transpose1d(slope, layer.weight, padding=4) * _gelu_slope(through)
        slope = F.conv_transpose1d(slope, first.weight, padding=4) + straight
        return slope.unflatten(0, agreed.shape[:2])

    def _spectrum(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Real and imaginary parts (…, S) of series (…, T), which silence follows."""
        time = x.shape[-1]
        return x @ self.forth_real[:time], x @ self.forth_imag[:time]

    def _agreement(self, seen: Tensor, heard: Tensor, heads: int) -> Tensor:
        """(B, N, H, K): where the sound is early by k frames, what is seen at t was heard at t - k."""
        time = seen.shape[1]
        # By spectra: comparing every moment with every other costs a hundred times as much.
        with torch.autocast(seen.device.type, enabled=False):
            v_real, v_imag = self._spectrum(seen.float().movedim(1, -1))  # (B, N, D, S)
            a_real, a_imag = (part[:, None] for part in self._spectrum(heard.float().movedim(1, -1)))
            real = (v_real * a_real + v_imag * a_imag).unflatten(2, (heads, -1)).sum(3)  # (B, N, H, S)
            imag = (v_imag * a_real - v_real * a_imag).unflatten(2, (heads, -1)).sum(3)
            sums = real @ self.back_real + imag @ self.back_imag
        return sums / (self._overlap(time) * (seen.shape[3] // heads)).sqrt()

    def _moments(self, seen: Tensor, heard: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, N) and (B, T): what each moment seen and heard adds, where comparisons count by `slopes`.

        The way back through `_agreement`, times what went in.
        """
        time, size = seen.shape[1], seen.shape[3] // slopes.shape[2]
        slopes = slopes / (self._overlap(time) * size).sqrt()
        v, a = seen.movedim(1, -1), heard.movedim(1, -1)  # (B, N, D, T), (B, D, T)
        v_real, v_imag = self._spectrum(v)
        a_real, a_imag = (part[:, None] for part in self._spectrum(a))
        real, imag = (
            (slopes @ table.T).repeat_interleave(size, 2) for table in (self.back_real, self.back_imag)
        )
        of_v = real * a_real - imag * a_imag, real * a_imag + imag * a_real
        of_a = (real * v_real + imag * v_imag).sum(1), (real * v_imag - imag * v_real).sum(1)
        forth = self.forth_real[:time].T, self.forth_imag[:time].T
        places, listened = (
            (x * (of_x[0] @ forth[0] + of_x[1] @ forth[1])).sum(-2) for x, of_x in ((v, of_v), (a, of_a))
        )
        return places.transpose(1, 2), listened

    def _overlap(self, time: int) -> Tensor:
        """Frames that are compared at each lag. Shape: (K,)."""
        lags = torch.arange(-self.config.reach, self.config.reach + 1, device=self.forth_real.device).abs()
        return (time - lags).clamp(min=1)


def _gelu_slope(x: Tensor) -> Tensor:
    """The derivative of GELU."""
    return 0.5 * (1 + torch.erf(x / 2**0.5)) + x * torch.exp(-x.square() / 2) / (2 * torch.pi) ** 0.5


def _shares(added: Tensor, belief: Tensor) -> Tensor:
    """What each frame adds in each place (B, T, n) -> shares (B, t, n) that sum to 1.

    Of what speaks for the answer, as far as it is believed in (B,); all are alike for the rest.
    """
    added = F.relu(F.avg_pool1d(added.transpose(1, 2), MOMENT).transpose(1, 2)) + 1e-9
    belief = belief[:, None, None]
    return belief * added / added.sum((1, 2), keepdim=True) + (1 - belief) / (added.shape[1] * added.shape[2])


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
