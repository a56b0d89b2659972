"""Names and titles of pictures and data sets, and where they are fetched from. Nothing here imports torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote


@dataclass(frozen=True)
class Painting:
    """A painting in the public domain, as Wikimedia Commons names its file."""

    title: str
    commons: str

    @property
    def url(self) -> str:
        return f"https://commons.wikimedia.org/wiki/Special:FilePath/{quote(self.commons)}?width=960"


PAINTINGS = {
    "mona_lisa": Painting("Mona Lisa", "Mona_Lisa,_by_Leonardo_da_Vinci,_from_C2RMF_retouched.jpg"),
    "starry_night": Painting("The Starry Night", "Van_Gogh_-_Starry_Night_-_Google_Art_Project.jpg"),
    "girl_with_a_pearl_earring": Painting("Girl with a Pearl Earring", "1665_Girl_with_a_Pearl_Earring.jpg"),
}
BUILT_IN = {"astronaut": "Astronaut", "chelsea": "Chelsea the cat", "coffee": "Coffee", "camera": "Cameraman"}
"""Pictures that come with scikit-image."""

PICTURES: dict[str, str] = {name: painting.title for name, painting in PAINTINGS.items()} | BUILT_IN
"""Name -> title of every picture that `load_picture` knows."""


@dataclass(frozen=True)
class Dataset:
    """28×28 gray images in ten classes. MD5 sums are those that torchvision publishes, by file name without ".gz"."""

    title: str
    classes: tuple[str, ...] = tuple("0123456789")
    folder: str = ""  # in torchvision's layout: FOLDER/raw/…
    mirrors: tuple[str, ...] = ()  # addresses that hold the packed files
    packed_md5: Mapping[str, str] = field(default_factory=dict, repr=False)
    plain_md5: Mapping[str, str] = field(default_factory=dict, repr=False)  # of the unpacked files, where known


_FILES = "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def _sums(md5: str) -> dict[str, str]:
    return dict(zip(_FILES, md5.split(), strict=True))


FONTS = "fonts"
DATASETS: dict[str, Dataset] = {
    "mnist": Dataset(
        "MNIST",
        folder="MNIST",
        mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        packed_md5=_sums(
            "f68b3c2dcbeaaa9fbdd348bbdeb94873 d53e105ee54ea40749a09fcbcd1e9432 "
            "9fb629c4189551a2d022fa330f9573f3 ec29112dd5afa0611ce80d1b7f02629c"
        ),
        plain_md5=_sums(
            "6bbc9ace898e44ae57da46a324031adb a25bea736e30d166cdddb491f175f624 "
            "2646ac647ad5339dbf082846283269ea 27ae3e4e09519cfbb04c329615203637"
        ),
    ),
    "fashion": Dataset(
        "Fashion-MNIST",
        ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"),
        "FashionMNIST",
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        _sums(
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d 25c81989df183df01b3e8a0aad5dffbe "
            "bef4ecab320f06d8554ea6380940ec79 bb300cfdad3c16e7a12a480ee83cd310"
        ),
    ),
    "kmnist": Dataset(
        "KMNIST",
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        "KMNIST",
        ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        _sums(
            "bdb82020997e1d708af4cf47b453dcf7 e144d726b3acfaa3e44228e80efcd344 "
            "5c965bf0a639b31b8f53240b1b52f4d7 7320c461ea6c1c855c0b718fb2a4b134"
        ),
    ),
    FONTS: Dataset("Digits from fonts"),
}
"""Name -> data set, as `load_digits` knows them; "fonts" is drawn, not fetched."""
