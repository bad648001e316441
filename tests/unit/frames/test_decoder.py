"""Which decoder is taken; a machine without a hardware decoder shows that, and falls back."""

from __future__ import annotations

from pathlib import Path

import pytest

from etc_edge.core.errors import SourceError
from etc_edge.frames import decoder
from etc_edge.frames.source import open_source
from tests.live_servers import LiveServer
from tests.moving_square import write_video


def test_software_decodes_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(decoder.ENVIRONMENT, "software")
    with open_source(write_video(tmp_path / "a.mp4", 3)) as source:
        assert source.decoder == decoder.SOFTWARE
        assert len(list(source)) == 3


def test_left_alone_it_decodes_by_whatever_this_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(decoder.ENVIRONMENT, raising=False)
    here = [name for name in decoder._device_types() if decoder._refusal(name) is None]
    with open_source(write_video(tmp_path / "a.mp4", 3)) as source:
        assert source.decoder in {decoder.SOFTWARE, *here[:1]}
        assert len(list(source)) == 3
    server = LiveServer()
    with open_source(server.address) as source:
        assert source.decoder in {decoder.SOFTWARE, *here[:1]}
    server.kill()


def test_a_decoder_that_is_not_here_is_refused_in_ffmpegs_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {name: why for name in decoder._device_types() if (why := decoder._refusal(name)) is not None}
    if not refused:
        pytest.skip("FFmpeg can use every device type that it knows here")
    name, why = next(iter(refused.items()))
    monkeypatch.setenv(decoder.ENVIRONMENT, name)
    with pytest.raises(SourceError, match=rf"{decoder.ENVIRONMENT}={name}, which cannot decode here: ") as caught:
        open_source(write_video(tmp_path / "a.mp4", 3))
    assert why in str(caught.value)
    monkeypatch.setenv(decoder.ENVIRONMENT, "softwear")
    with pytest.raises(SourceError, match="Did you mean 'software'"):
        open_source(write_video(tmp_path / "a.mp4", 3))


def test_an_accelerator_that_has_no_use_for_a_stream_leaves_it_to_software(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # FFmpeg has none of these for FFV1, and says so of the stream, not of the machine.
    monkeypatch.setattr(decoder, "_device", lambda wanted: "cuda")
    monkeypatch.delenv(decoder.ENVIRONMENT, raising=False)
    with open_source(write_video(tmp_path / "a.mkv", 3, codec="ffv1")) as source:
        assert source.decoder == decoder.SOFTWARE
        assert len(list(source)) == 3
