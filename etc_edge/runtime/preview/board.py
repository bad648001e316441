"""What a preview knows of a run, in the words that its pages read."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from etc_edge.runtime.preview.history import Point
from etc_edge.runtime.preview.shadow import Shadow
from etc_edge.runtime.preview.view import Event, State, View


class Facts(msgspec.Struct, frozen=True):
    """The model that runs.

    Args:
        model: its name.
        backend: the engine, with its version.
        threads: of one inference.
    """

    model: str = ""
    backend: str = ""
    threads: int | None = None


class ClassRow(msgspec.Struct, frozen=True):
    """A class of the legend."""

    name: str
    color_rgb: tuple[int, int, int]


class Opening(msgspec.Struct, frozen=True):
    """A stream when a page begins: its source, classes and the last minutes."""

    name: str
    classes: tuple[ClassRow, ...]
    history: list[Point]


class Now(msgspec.Struct, frozen=True):
    """A stream at a second: its state, its newest point, and the share of the picture that each class has."""

    state: State
    healthy: bool
    frames: int
    dropped: int
    compared: int
    shares: list[float]
    events: list[Event]
    point: Point | None


class Hello(msgspec.Struct, frozen=True, tag="hello", tag_field="kind"):
    """The first message to a page."""

    facts: Facts
    shadow: str | None
    every: int | None
    streams: list[Opening]


class Tick(msgspec.Struct, frozen=True, tag="tick", tag_field="kind"):
    """The message of every second."""

    clients: int
    shadow_failure: str | None
    streams: list[Now]


class Board:
    """Facts, streams and shadow model of a run.

    Args:
        views: of the streams; more may be added later.
    """

    def __init__(self, views: Sequence[View]) -> None:
        self.views, self.facts = views, Facts()
        self.shadow: Shadow | None = None

    @property
    def run(self) -> tuple[Facts, int, str | None]:
        """What `hello` tells, apart from history: when it changes, pages have to begin anew."""
        return self.facts, len(self.views), None if self.shadow is None else self.shadow.name

    def hello(self) -> bytes:
        """A `Hello` as JSON."""
        streams = [Opening(view.name, _classes(view), view.history.points()) for view in self.views]
        name, every = (None, None) if self.shadow is None else (self.shadow.name, self.shadow.every)
        return msgspec.json.encode(Hello(self.facts, name, every, streams))

    def take_points(self) -> None:
        """Add a point to every stream's history; to be called once a second."""
        for view in self.views:
            view.take_point()

    def tick(self, clients: int) -> bytes:
        """A `Tick` as JSON."""
        streams = [
            Now(
                state=view.state,
                healthy=view.healthy,
                frames=view.frames,
                dropped=view.dropped,
                compared=view.compared,
                shares=view.shares(),
                events=list(view.events),
                point=view.history.newest,
            )
            for view in self.views
        ]
        failure = None if self.shadow is None or self.shadow.failure is None else str(self.shadow.failure)
        return msgspec.json.encode(Tick(clients, failure, streams))

    @property
    def healthy(self) -> bool:
        """Whether every stream is."""
        return all(view.healthy for view in self.views)

    def health(self) -> bytes:
        """JSON of what `/healthz` says."""
        streams = [
            {"name": view.name, "state": view.state, "frames": view.frames, "silent_s": round(view.silent_s, 1)}
            for view in self.views
        ]
        return msgspec.json.encode({"status": "ok" if self.healthy else "unhealthy", "streams": streams})


def _classes(view: View) -> tuple[ClassRow, ...]:
    labels = view.label_set
    return tuple(ClassRow(name, color) for name, color in zip(labels.names, labels.colors_rgb, strict=True))
