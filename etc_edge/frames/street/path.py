"""How the camera drives: smooth, in closed form, so that any frame can be made by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etc_edge.frames.street.geometry import Camera, Matrix, rotation


@dataclass(frozen=True, slots=True)
class Sway:
    """A sum of three slow sines."""

    amplitudes: tuple[float, ...]
    rates_hz: tuple[float, ...]
    phases: tuple[float, ...]

    def __call__(self, time_s: float) -> float:
        waves = zip(self.amplitudes, self.rates_hz, self.phases, strict=True)
        return float(sum(a * np.sin(2 * np.pi * r * time_s + p) for a, r, p in waves))


def sway(rng: np.random.Generator, amplitude: float, slow_hz: float) -> Sway:
    """A random sway of about the given amplitude."""
    shares = (0.6, 0.3, 0.12)
    rates = tuple(float(slow_hz * f * rng.uniform(0.8, 1.25)) for f in (1.0, 2.3, 5.1))
    return Sway(tuple(amplitude * s for s in shares), rates, tuple(float(p) for p in rng.uniform(0, 2 * np.pi, 3)))


@dataclass(frozen=True, slots=True)
class CameraPath:
    """A drive along the street at about ``speed_m_s`` in the right lane."""

    intrinsics: Matrix
    speed_m_s: float
    lane_x_m: float
    height_m: float
    surge_m: Sway
    drift_m: Sway
    bounce_m: Sway
    yaw: Sway
    pitch: Sway
    roll: Sway

    def z_m(self, time_s: float) -> float:
        """How far along the street the camera is."""
        return self.speed_m_s * time_s + self.surge_m(time_s)

    def camera(self, time_s: float) -> Camera:
        """The camera at a moment."""
        x = self.lane_x_m + self.drift_m(time_s)
        position = np.array([x, self.height_m + self.bounce_m(time_s), self.z_m(time_s)])
        axes = rotation(self.yaw(time_s), self.pitch(time_s), self.roll(time_s))
        view = self.intrinsics @ np.column_stack([axes, -axes @ position])
        return Camera(view, position, time_s)


def camera_path(rng: np.random.Generator, size_hw: tuple[int, int]) -> CameraPath:
    """A random drive for pictures of the given size; about 61 degrees across for a wide picture."""
    height, width = size_hw
    focal = 0.85 * max(width, 1.4 * height)
    intrinsics = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2 * 0.98], [0, 0, 1]])
    return CameraPath(
        intrinsics,
        speed_m_s=float(rng.uniform(5.5, 9.5)),
        lane_x_m=1.6,
        height_m=float(rng.uniform(1.35, 1.75)),
        surge_m=sway(rng, 2.0, 0.07),
        drift_m=sway(rng, 0.35, 0.08),
        bounce_m=sway(rng, 0.02, 0.5),
        yaw=sway(rng, 0.055, 0.09),
        pitch=sway(rng, 0.012, 0.35),
        roll=sway(rng, 0.008, 0.2),
    )
