import base64
import io
import json
import struct
import zlib

import numpy as np
import pytest
from atelier.cppn import favourites
from atelier.cppn import recipe as recipes
from atelier.cppn.prints import print_file, write_png
from atelier.cppn.recipe import (
    Recipe,
    from_token,
    read,
    read_bytes,
    to_file,
    to_token,
)
from atelier.cppn.rendering import WHOLE, picture
from atelier.cppn.spec import FieldSpec
from atelier.cppn.starters import STARTERS, starter
from atelier.cppn.styles import surprise
from atelier.errors import UserError
from atelier.fields.plane import Window
from PIL import Image

RECIPES = [Recipe(surprise(seed), Window(0.1 * seed, -1 / 3, 1.7)) for seed in range(20)]
RECIPES.append(Recipe(FieldSpec(latent=(0.123, -2.0), strands=((2**52, 0.6), (1, -0.8)))))


def png(recipe, size):
    *_, whole = print_file(recipe, size)
    return whole.data


@pytest.mark.parametrize("recipe", RECIPES)
def test_spec_to_address_to_spec(recipe):
    assert from_token(to_token(recipe)) == recipe


def test_no_cut_and_no_mistyped_address_is_taken():
    token = to_token(RECIPES[0])
    for word in [token[:n] for n in range(len(token))] + [token.replace(token[20], "_", 1), "f2.abc", "a b"]:
        with pytest.raises(UserError):
            from_token(word)


def token_of(text):
    packer = zlib.compressobj(9, wbits=-15, zdict=recipes._DICTIONARY)
    packed = struct.pack(">I", zlib.crc32(text.encode())) + packer.compress(text.encode()) + packer.flush()
    return "f1." + base64.urlsafe_b64encode(packed).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 199_000,
        '{"spec":' * 30_000,
        '{"spec":{"inputs":' + "[" * 900 + "]" * 900 + "}}",
        '{"spec":{"width":1' + "0" * 400 + "}}",
        '{"spec":{"scale":1' + "0" * 4000 + "}}",
        '{"spec":{"seed":1' + "0" * 5000 + "}}",
        '{"spec":{},"window":{"zoom":1' + "0" * 400 + "}}",
        '{"spec":{"scale":1e999}}',
        '{"spec":{"scale":NaN}}',
    ],
)
def test_crafted_tokens_are_refused_in_one_short_sentence(text):
    with pytest.raises(UserError) as error:
        from_token(token_of(text))
    assert len(str(error.value)) < 400
    with pytest.raises(UserError):
        read_bytes(text.encode(), "recipe.json")
    with pytest.raises(UserError):
        favourites.loads('{"format": 1, "favourites": {"a": ' + text + "}}")


@pytest.mark.parametrize("version", ["true", "0", "-3", '"1"'])
def test_favourites_of_no_proper_format_are_refused(version):
    with pytest.raises(UserError, match="no proper format"):
        favourites.loads('{"format": ' + version + ', "favourites": {}}')


def test_an_address_of_a_newer_version_says_so():
    with pytest.raises(UserError, match="newer"):
        from_token("f2.abcdef")


def test_spec_to_png_to_spec(tmp_path):
    recipe = RECIPES[1]
    pixels = picture(recipe.spec, recipe.window, (33, 20))
    data = png(recipe, (33, 20))
    assert read_bytes(data, "a.png") == recipe
    assert np.array_equal(np.array(Image.open(io.BytesIO(data))), pixels)
    for _ in write_png(tmp_path / "a.png", recipe, (33, 20), band=7):
        pass
    assert read(tmp_path / "a.png") == recipe
    assert np.array_equal(np.array(Image.open(tmp_path / "a.png")), pixels)


def test_cancelling_a_picture_leaves_nothing(tmp_path):
    steps = write_png(tmp_path / "a.png", RECIPES[0], (32, 200))
    assert next(steps).total == 4
    steps.close()
    assert not list(tmp_path.iterdir())


def test_spec_to_json_to_spec(tmp_path):
    (tmp_path / "recipe.json").write_bytes(to_file(RECIPES[2]))
    assert read(tmp_path / "recipe.json") == RECIPES[2]


def plain_png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        plain_png(),
        png(RECIPES[0], (4, 4))[:90],
        b"",
        b"{",
        b"[]",
        b'{"spec": 3}',
        b'{"spec": {"format": 2}}',
        b'{"spec": {"width": 0}}',
        b'{"spec": {"palette": ["nowhere"]}}',
        b'{"spec": {}, "window": {"zoom": 0}}',
        b'{"spec": {}, "window": 5}',
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_recipe_is_refused_in_one_sentence(data):
    with pytest.raises(UserError) as error:
        read_bytes(data, "some.png")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="gone"):
        read(tmp_path / "gone.png")


@pytest.mark.parametrize("name", STARTERS)
def test_every_first_picture_can_be_read(name):
    assert starter(name).window == WHOLE


def test_favourites_are_kept_and_forgotten(tmp_path):
    shelf = favourites.FileShelf(tmp_path / "favourites.json")
    assert favourites.load_favourites(shelf) == {}
    favourites.keep("Étude", RECIPES[0], shelf)
    favourites.keep("two", RECIPES[1], shelf)
    assert favourites.load_favourites(shelf) == {"Étude": RECIPES[0], "two": RECIPES[1]}
    assert favourites.take_in({"Étude": RECIPES[0], "two": RECIPES[0], "three": RECIPES[0]}, shelf) == 2
    assert favourites.load_favourites(shelf) == {
        "Étude": RECIPES[0],
        "two": RECIPES[1],
        "two 2": RECIPES[0],
        "three": RECIPES[0],
    }
    favourites.forget("two", shelf)
    assert list(favourites.load_favourites(shelf)) == ["Étude", "two 2", "three"]
    for bad in ("", "x" * 81, "Étude"):
        with pytest.raises(UserError):
            favourites.keep(bad, RECIPES[0], shelf)
    with pytest.raises(UserError):
        favourites.forget("nobody", shelf)
    shelf.path.write_text("spoilt")
    with pytest.raises(UserError, match="begin anew"):
        favourites.load_favourites(shelf)
    favourites.keep("new", RECIPES[0], shelf)
    assert list(favourites.load_favourites(shelf)) == ["new"]
    shelf.text = json.dumps({"format": 1, "favourites": {"odd": {"spec": 5}}})
    assert favourites.take_in({"newer": RECIPES[1]}, shelf) == 1
    assert list(favourites.load_favourites(shelf)) == ["newer"]
    assert (tmp_path / "damaged-favourites.json").read_text() == "spoilt"
    assert "odd" in (tmp_path / "damaged-2-favourites.json").read_text()
    shelf.text = newer = json.dumps({"format": 9, "favourites": {}})
    with pytest.raises(UserError, match="newer"):
        favourites.keep("newest", RECIPES[0], shelf)
    assert shelf.text == newer
    nameless = {"format": 1, "favourites": {" ": RECIPES[0].to_json()}}
    for text in ("", "[]", json.dumps({"format": 9, "favourites": {}}), json.dumps(nameless)):
        with pytest.raises(UserError):
            favourites.loads(text)
