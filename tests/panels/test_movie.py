"""Films in notebooks: all frames, their order and times, and colloids that move as they were told to."""

import base64
import io

import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from PIL import Image

from labkit.errors import LabkitError
from labkit.panels import Movie
from labkit.panels.mobility_figures import falling_movie


def png(colour, size=(40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, format="png")
    return buffer.getvalue()


def frames_of(movie) -> list[np.ndarray]:
    image = Image.open(io.BytesIO(movie.data))
    found = []
    for k in range(image.n_frames):
        image.seek(k)
        found.append(np.asarray(image.convert("RGB")).astype(int))
    return found


def test_frames_are_played_in_order() -> None:
    colours = [(250, 20, 20), (20, 20, 250), (20, 250, 20)]
    movie = Movie(map(png, colours), interval=70, loops=2)
    image = Image.open(io.BytesIO(movie.data))
    assert (image.n_frames, image.info["loop"], image.info["duration"]) == (3, 2, 70.0)
    for frame, colour in zip(frames_of(movie), colours, strict=True):
        assert np.abs(frame - colour).max() < 90 and frame[0, 0].argmax() == np.argmax(colour)
    picture = movie.picture()
    assert picture.data.startswith(b"\x89PNG") and picture.width == 40 and repr(movie) == "Movie of 3 frames"


def test_a_film_has_words_and_follows_the_theme_and_is_stored_once() -> None:
    movie = Movie(map(png, ["red", "blue"]), alt='a "red" disc, then a blue one')
    data, _ = DisplayFormatter().format(movie)
    assert set(data) == {"text/html", "text/plain"} and data["text/plain"] == "Movie of 2 frames"
    assert 'alt="a &quot;red&quot; disc, then a blue one"' in data["text/html"]
    assert 'class="labkit-plot"' in data["text/html"] and "jp-theme-light" in data["text/html"]
    assert data["text/html"].count(base64.b64encode(movie.data).decode()) == 1
    assert Movie([png("red")]).alt == "Movie of 1 frame"


def test_frames_of_other_sizes_and_no_frames_are_refused() -> None:
    with pytest.raises(LabkitError, match="no frames"):
        Movie([])
    with pytest.raises(LabkitError, match="one size"):
        Movie([png("red"), png("red", (41, 30))])


@pytest.mark.parametrize("wide", [0.1, 1.0, 10.0])
def test_a_film_of_any_shape_gives_no_warning(wide, caplog, recwarn) -> None:
    places = 40 * torch.sin(torch.arange(96.0)).view(4, 8, 3) * torch.tensor([wide, 1.0, 1.0])
    assert falling_movie(torch.arange(4.0) * 1e6, places, radius=10.0).frames == 4
    assert not caplog.records and not recwarn.list


def test_falling_colloids_are_seen_falling() -> None:
    time = torch.arange(5.0) * 4e5
    start = torch.tensor([[0.0, 0.0, 0.0], [40.0, 20.0, 10.0], [-30.0, -20.0, 30.0]])
    fall = torch.stack([start - torch.tensor([0.0, 0.0, 30.0 * k]) for k in range(5)])
    movie = falling_movie(time, fall, radius=10.0)
    heights = []
    for frame in frames_of(movie):
        blue = frame[:, :, 2] - frame[:, :, 0] > 40  # discs, not axes
        assert blue.sum() > 300
        heights.append(np.flatnonzero(blue.any(1)).mean())
    assert len(heights) == 5 and np.all(np.diff(heights) > 5)  # rows count downwards
    assert len(movie.data) < 200_000
    assert movie.alt == (
        "Film of 3 colloids that fall, seen from the side: their mean height goes from 1.33 to -10.7 nm in 1.6 ns."
    )
