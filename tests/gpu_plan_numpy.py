"""Launches of a group plan, carried out in NumPy in float64: what their tables mean."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from trainfree.randomness import stream
from trainfree.scoring.gpu_kernels.launches import (
    AVERAGED,
    NORMALISED,
    OF_RELU,
    TILE,
)

EPSILON = 1e-5


class Group:
    """Runs a plan; buffers start as NaN, so that what nobody wrote is noticed."""

    def __init__(self, plan, images, seed, uniform_scale=True):
        self.plan, self.size = plan, len(images)
        self.maps = np.full(plan.map_elements, np.nan)
        self.codes = np.full(plan.code_elements, -1, np.int64)
        self.flow = np.full(plan.flow_elements, np.nan)
        self.patterns = np.zeros(plan.pattern_elements, np.uint32)
        self.weights = np.full(plan.weight_elements, np.nan)
        if plan.forward:
            self.maps[: images.size] = images.ravel()
        if plan.flow:
            ones = images[0].size
            self.flow[:ones], self.flow[ones : 2 * ones] = 1.0, 0.0
        group = len(plan.architectures)
        self.sums = np.zeros((2, group, self.size, self.size), np.int64)
        self.results = np.zeros(group)
        self._draw(seed)
        for launch in plan.forward:
            self._run(launch, self.maps, self.size)
        for launch in plan.flow:
            self._run(launch, self.flow, 2)

    def _draw(self, seed):
        for place, first, offset, out, inside, taps, bits in self.plan.draws.tolist():
            rng = stream(seed, "weights", int(self.plan.architectures[place]))
            state = rng.bit_generator.state["state"]
            halves = [*divmod(state["state"], 1 << 64), *divmod(state["inc"], 1 << 64)]
            assert self.plan.seeds[place].tolist() == halves
            size = out * inside * taps
            numbers = rng.random(first + size, dtype=np.float32)[first:]
            scale = np.array(bits, np.int64).astype(np.int32).view(np.float32)
            values = (numbers * 2 - 1) * scale
            values = values.reshape(out, inside, taps).transpose(2, 0, 1)
            assert np.isnan(self.weights[offset : offset + size]).all()
            self.weights[offset : offset + size] = values.ravel()

    def kernels(self):
        """K in both countings, (2, G, B, B)."""
        counted = self.plan.counted
        units = np.stack([counted.units_once, counted.units_official])
        own = np.diagonal(self.sums, axis1=2, axis2=3)
        return units[:, :, None, None] - own[..., None] - own[..., None, :] + 2 * self.sums

    def distinct(self, place):
        """Number of different patterns of an architecture."""
        first, units = self.plan.pattern_units[place].tolist()
        words = -(-self.size // 32)
        own = self.patterns[first : first + units * words].reshape(units, words)
        return len(np.unique(own, axis=0))

    def _run(self, launch, buffer, images):
        for row in launch.table.tolist():
            getattr(self, f"_{launch.kind.name.lower()}")(launch.geometry, row, buffer, images)

    @staticmethod
    def _view(buffer, offset, images, height, width, channels):
        assert offset >= 0
        assert offset % 32 == 0
        size = images * height * width * channels
        assert offset + size <= len(buffer)
        return buffer[offset : offset + size].reshape(images, height, width, channels)

    @staticmethod
    def _windows(x, kernel, stride, padding, fill):
        around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        x = np.pad(x, around, constant_values=fill)
        return sliding_window_view(x, (kernel, kernel), (1, 2))[:, ::stride, ::stride]

    def _average(self, x, kernel, stride, padding):
        total = self._windows(x, kernel, stride, padding, 0).sum((-1, -2))
        return total / self._windows(np.ones_like(x), kernel, stride, padding, 0).sum((-1, -2))

    def _pool(self, g, row, buffer, images):
        source, result, channels = row
        x = self._view(buffer, source, images, g.height, g.width, channels)
        x = np.maximum(x, 0) if g.relu else x
        if g.average:
            made = self._average(x, g.kernel, g.stride, g.padding)
        else:
            made = self._windows(x, g.kernel, g.stride, g.padding, -np.inf).max((-1, -2))
        self._view(buffer, result, *made.shape)[:] = made

    def _flow_max_pool(self, g, row, buffer, images):
        source, result, channels = row
        x = self._view(buffer, source, 2, g.height, g.width, channels)
        value = self._windows(x[:1], g.kernel, g.stride, g.padding, -np.inf)
        slope = self._windows(x[1:], g.kernel, g.stride, g.padding, 0)
        best = value.reshape(*value.shape[:4], -1).argmax(-1)[..., None]
        made = np.concatenate(
            [
                np.take_along_axis(p.reshape(*p.shape[:4], -1), best, -1)[..., 0]
                for p in (value, slope)
            ]
        )
        self._view(buffer, result, *made.shape)[:] = made

    def _copy(self, g, row, buffer, images):
        source, result, there, total, first, copied = row
        x = self._view(buffer, source, images, g.height, g.width, there)[..., :copied]
        x = np.maximum(x, 0) if g.relu else x
        if g.shifted:
            x = np.pad(x[:, 1:, 1:], ((0, 0), (0, 1), (0, 1), (0, 0)))
        target = self._view(buffer, result, images, g.height, g.width, total)
        assert first + copied <= total
        target[..., first : first + copied] = x

    def _convolved(self, g, row, buffer, images, absolute):
        source, weights, result, _, inside, out = row
        x = self._view(buffer, source, images, g.height, g.width, inside)
        x = np.maximum(x, 0) if g.relu else x
        size = g.kernel**2 * out * inside
        w = self.weights[weights : weights + size].reshape(g.kernel, g.kernel, out, inside)
        w = np.abs(w) if absolute else w
        windows = self._windows(x, g.kernel, g.stride, g.kernel // 2, 0)
        made = np.einsum("nyxckl,kloc->nyxo", windows, w, optimize=True)
        return made, self._view(buffer, result, *made.shape)

    def _convolve(self, g, row, buffer, images):
        made, target = self._convolved(g, row, buffer, images, absolute=False)
        target[:] = made
        if g.moments:
            self._leave_moments(made, row[3], buffer)
        else:
            assert row[3] == -1

    def _flow_convolve(self, g, row, buffer, images):
        assert not g.relu
        assert not g.moments
        made, target = self._convolved(g, row, buffer, images, absolute=True)
        made[1] += made[0]
        target[:] = made

    def _leave_moments(self, x, offset, buffer):
        flat = x.reshape(-1, x.shape[-1])
        for start in range(0, len(flat), TILE):
            tile = flat[start : start + TILE]
            place = offset + start // TILE * 2 * x.shape[-1]
            centred = ((tile - tile.mean(0)) ** 2).sum(0)
            buffer[place : place + 2 * x.shape[-1]] = np.concatenate([tile.sum(0), centred])

    def _measure(self, g, row, buffer, images):
        source, moments, channels = row
        x = self._view(buffer, source, images, g.pixels, 1, channels)
        self._leave_moments(np.maximum(x, 0) if g.relu else x, moments, buffer)

    def _normalise(self, g, row, buffer, images):
        moments, statistics, channels = row
        pixels = images * g.pixels
        tiles = -(-pixels // TILE)
        found = buffer[moments : moments + tiles * 2 * channels].reshape(tiles, 2, channels)
        counts = np.minimum(TILE, pixels - TILE * np.arange(tiles))[:, None]
        mean = found[:, 0].sum(0) / pixels
        between = (counts * (found[:, 0] / counts - mean) ** 2).sum(0)
        variance = (found[:, 1].sum(0) + between) / pixels
        made = np.concatenate([mean, 1 / np.sqrt(variance + EPSILON)])
        buffer[statistics : statistics + 2 * channels] = made

    def _combine(self, g, row, buffer, images):
        result, code, channels, count, *terms = row
        shape = (images, g.height, g.width, channels)
        total = np.zeros(shape)
        averaged = False
        for place in range(count):
            source, how, statistics = terms[3 * place : 3 * place + 3]
            x = self._view(buffer, source, *shape)
            x = np.maximum(x, 0) if how & OF_RELU else x
            if how & NORMALISED:
                mean, deviation = buffer[statistics : statistics + 2 * channels].reshape(2, -1)
                x = (x - mean) * deviation
            if how & AVERAGED:
                x, averaged = self._average(x, 3, 1, 1), True
            total = total + x
        assert g.averaged == averaged
        assert not np.isnan(total).any()
        if result >= 0:
            self._view(buffer, result, *shape)[:] = total
        if code >= 0:
            self.codes[code : code + total.size] = (total > 0).ravel()

    def _code(self, code, units):
        found = self.codes[code : code + self.size * units].reshape(self.size, units)
        assert (found >= 0).all()
        return found

    def _multiply(self, g, row, buffer, images):
        code, units, place, once, official = row
        assert units % g.aligned == 0
        found = self._code(code, units)
        self.sums[0, place] += once * found @ found.T
        self.sums[1, place] += official * found @ found.T

    def _pack(self, g, row, buffer, images):
        code, units, first = row
        words = -(-self.size // 32)
        found = np.zeros((units, words), np.uint32)
        for image, bits in enumerate(self._code(code, units)):
            found[:, image // 32] |= (bits << (image % 32)).astype(np.uint32)
        self.patterns[first : first + units * words] = found.ravel()

    def _flow_head(self, g, row, buffer, images):
        source, weights, place, channels, classes = row
        x = self._view(buffer, source, 2, g.pixels, 1, channels).mean((1, 2))
        w = np.abs(self.weights[weights : weights + classes * channels]).reshape(classes, -1)
        self.results[place] += (x @ w.T).sum()
