"""Pictures of pages: smaller, drawings the same to the last bit and photographs nearly so."""

from base64 import b64decode, b64encode
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from studies.pages.pictures import LARGE, as_webp, write_png
from studies.points.catalogue import photograph


def uri(picture):
    file = BytesIO()
    picture.save(file, "png")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


def pixels(data_uri):
    return np.asarray(Image.open(BytesIO(b64decode(data_uri.partition(",")[2]))).convert("RGBA"))


@settings(deadline=None)
@given(st.sampled_from(["L", "RGB", "RGBA", "P"]), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_every_pixel_of_a_small_picture_stays(mode, height, width, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    picture = Image.fromarray(noise, "RGBA")
    before = uri(picture.convert("RGB").quantize(256) if mode == "P" else picture.convert(mode))
    after = as_webp(f'<img src="{before}">').removeprefix('<img src="').removesuffix('">')
    np.testing.assert_array_equal(pixels(after), pixels(before))
    assert len(after) <= len(before)


def test_every_pixel_of_a_large_drawing_stays():
    figure, axes = plt.subplots(2, 3, figsize=(9, 6))
    rng = np.random.default_rng(0)
    for ax in axes.flat:
        for curve in rng.standard_normal((3, 40)).cumsum(axis=1):
            ax.plot(curve, "o-")
            ax.fill_between(range(40), curve - 1, curve + 1, alpha=0.2)
        ax.set(title="accuracy (%)", xlabel="share of the copies")
    file = BytesIO()
    figure.savefig(file, dpi=150)
    plt.close(figure)
    before = uri(Image.open(file))
    after = as_webp(before)
    assert LARGE < len(b64decode(after.partition(",")[2])) < len(before)
    np.testing.assert_array_equal(pixels(after), pixels(before))


def test_a_photograph_gets_smaller_still_and_looks_the_same():
    photo = Image.fromarray(photograph(128))
    before = uri(photo)
    after = as_webp(before)
    lossless = BytesIO()
    photo.save(lossless, "webp", lossless=True)
    assert len(b64decode(after.partition(",")[2])) <= 0.8 * len(lossless.getvalue())
    apart = np.abs(pixels(after).astype(int) - pixels(before))
    assert 0 < apart.mean() < 4 and np.percentile(apart, 99) < 24


def test_a_figure_gets_smaller():
    plot = np.full((200, 300, 3), 255, np.uint8)
    plot[100, :], plot[:, 30] = 0, (200, 30, 90)
    before = uri(Image.fromarray(plot))
    after = as_webp(f"<p>{before}</p><p>text</p>")
    assert after.startswith("<p>data:image/webp;base64,") and after.endswith("</p><p>text</p>")


@pytest.mark.parametrize("data", ["", "AAAA", "iVBORw0KGgo="])
def test_what_is_no_picture_stays(data):
    markup = f'<img src="data:image/png;base64,{data}"> data:image/jpeg;base64,AAAA'
    assert as_webp(markup) == markup


def test_a_picture_beside_a_page_has_few_colours_and_looks_the_same(tmp_path):
    figure, ax = plt.subplots()
    for k in range(6):
        ax.plot([0, 1], [k, k + 1])
        ax.fill_between([0, 1], [k, k + 1], [k + 0.5, k + 2], alpha=0.2)
    write_png(figure, tmp_path / "few.png")
    figure.savefig(tmp_path / "full.png")
    plt.close(figure)
    few, full = (
        np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")).astype(int) for name in ("few", "full")
    )
    assert few.shape == full.shape and np.abs(few - full).mean() < 1
    assert (tmp_path / "few.png").stat().st_size < 0.6 * (tmp_path / "full.png").stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.png", "full.png"]
