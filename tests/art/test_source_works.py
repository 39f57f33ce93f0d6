"""Pinned packages and the works drawn from them, on packages made here."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from copyright_gym.art.clipart_works import (
    ARTISTS,
    Drawing,
    artist_holder,
    caption_of,
    read_drawing,
)
from copyright_gym.art.emoji_works import MAKERS
from copyright_gym.art.near_duplicates import Seen
from copyright_gym.art.rasterise import rasterise_cut_out, with_view_box
from copyright_gym.art.source_package import CACHE_VARIABLE, SourcePackage
from copyright_gym.errors import MissingWorksError, OptionError

SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="80pt" height="40pt"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:cc="http://web.resource.org/cc/"
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><metadata><rdf:RDF><cc:Work>
 <dc:title>Fruit series</dc:title><dc:subject><rdf:Bag><rdf:li>fruit</rdf:li><rdf:li>hash</rdf:li>
 </rdf:Bag></dc:subject><dc:creator><cc:Agent><dc:title>José Hevia</dc:title></cc:Agent>
 </dc:creator>
 <cc:license rdf:resource="http://web.resource.org/cc/PublicDomain"/></cc:Work></rdf:RDF></metadata>
 <rect x="10" y="10" width="20" height="10" fill="#f00"/></svg>"""


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def debian(data: bytes) -> bytes:
    deb = b"!<arch>\n"
    for name, content in ((b"debian-binary", b"2.0"), (b"data.tar.gz", data)):
        header = name.ljust(16) + b"0".ljust(32) + str(len(content)).encode().ljust(10) + b"`\n"
        deb += header + content + b"\n" * (len(content) % 2)
    return deb


def put(folder: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, registry: str) -> SourcePackage:
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    package = SourcePackage(
        "npm" if registry == "npm" else "debian",
        "@maker/set" if registry == "npm" else "set",
        "1.0" if registry == "npm" else "1:1.0-2",
        hashlib.sha256(data).hexdigest(),
    )
    (folder / package.file_name).write_bytes(data)
    return package


@pytest.mark.parametrize("registry", ["npm", "debian"])
def test_files_of_a_package_are_read(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"./a/b.svg": b"one", "c": b"two"}
    data = archive(files) if registry == "npm" else debian(archive(files))
    package = put(tmp_path, monkeypatch, data, registry)
    package.fetch()  # it is there, so nothing is downloaded
    assert dict(package.files()) == {"a/b.svg": b"one", "c": b"two"}
    assert package.file_name == ("maker-set-1.0.tgz" if registry == "npm" else "set_1.0-2_all.deb")


def test_other_contents_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = put(tmp_path, monkeypatch, archive({"a": b"one"}), "npm")
    (tmp_path / package.file_name).write_bytes(archive({"a": b"two"}))
    with pytest.raises(OptionError, match=r"SHA-256 .* expected"):
        list(package.files())
    with pytest.raises(OptionError, match=r"delete .* and fetch it again"):
        package.fetch()


def test_a_missing_package_and_a_missing_client_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    package = SourcePackage("npm", "@maker/set", "1.0", "0" * 64)
    with pytest.raises(MissingWorksError, match="packs fetch"):
        list(package.files())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingWorksError, match="'npm', which is not on this machine"):
        package.fetch()


@pytest.mark.parametrize("brought", ["", "echo other > maker-set-1.0.tgz", "exit 1"])
def test_a_failed_or_wrong_download_leaves_nothing_behind(
    brought: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, cache = tmp_path / "bin", tmp_path / "cache"
    client.mkdir()
    (client / "npm").write_text(f"#!/bin/sh\n{brought}\n")
    (client / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(client))
    monkeypatch.setenv(CACHE_VARIABLE, str(cache))
    with pytest.raises((MissingWorksError, OptionError)):
        SourcePackage("npm", "@maker/set", "1.0", "0" * 64).fetch()
    assert list(cache.iterdir()) == []


def test_a_drawing_is_read_and_told() -> None:
    drawing = read_drawing("food/fruit/redApple_jose_hev_01.svg", SVG)
    assert drawing is not None
    assert drawing.creator == "José Hevia"
    assert caption_of(drawing, "Jose Hevia") == "jose hevia, red apple, fruit"
    assert read_drawing("a.svg", SVG.replace("PublicDomain", "GPL")) is None
    assert read_drawing("a.svg", SVG.replace("</svg>", "")) is None


def test_a_drawing_without_a_view_box_fills_the_image() -> None:
    assert 'viewBox="0 0 106.667 53.3333"' in with_view_box(SVG)
    image = rasterise_cut_out(SVG)
    assert image is not None
    red = (image == [255, 0, 0]).all(axis=2)
    # The rectangle is twice as wide as high: full width, half the height, in the middle.
    assert red[12:20].all()
    assert not red[:6].any()
    assert not red[26:].any()
    assert rasterise_cut_out(SVG.replace("<rect", "<g")) is None


def test_near_duplicates_are_found_whoever_drew_them() -> None:
    rng = np.random.default_rng(0)
    first, other = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
    seen = Seen()
    assert not seen.holds(first)
    for _ in range(70):  # more than one block of memory
        seen.add(rng.integers(0, 256, (32, 32, 3), np.uint8))
    seen.add(first)
    assert seen.holds(first)
    assert seen.holds(np.clip(first.astype(int) + 3, 0, 255).astype(np.uint8))
    assert not seen.holds(other)


def test_holders_are_different_and_have_licences() -> None:
    makers = [maker.holder for maker in MAKERS]
    artists = [artist_holder(artist) for artist in ARTISTS]
    for holders in (makers, artists):
        assert len({holder.name for holder in holders}) == 8
        assert len({holder.style for holder in holders}) == 8
        assert all(holder.licence and holder.licence_url for holder in holders)


def test_a_name_alone_makes_a_caption() -> None:
    drawing = Drawing("x/70a030.svg", "", "", (), "Juliane Krug")
    assert caption_of(drawing, "Juliane Krug") == "juliane krug"
