# ruff: noqa: E501 (a token is one word)
"""Chosen first pictures, each by its address token: they stay as they are when styles are tuned."""

from atelier.errors import UserError
from atelier.cppn.recipe import Recipe, from_token

STARTERS: dict[str, str] = {
    "Night lightning": "f1.De4EW6tG4xtb6iAZjJ6sdWChDlSFiAxDPQMMt0PTP9DZUD-b6MBCwVDPEhFoRnrGOkihaQR0INwvtbUA",
    "Porcelain flower": "f1.ckbBFKtG4xvowALWEsM9oFQMdY4OxHFAV-EKfqhXTXRgnjfSM9VBDiKU5KUDCzELHeQkVZBflJyakwi0NxYRzoZ6hjpIEWAC9BPc-7W1AA",
    "Violet agate": "f1.VBF5-atG41uYYTgDlHh1II4BugLqBWMdmKcM9Sx1kJNBflFyRmYKSCksYEz1zHWQQswY6Ai4e2trAQ",
    "Storm glass": "f1.0dcj3qtG45sa6SAZDEnjcKtNdWA-MdSz1EGO-5zE9HxgIMUiQsNIz1AHKZhMgTbDHVlbCwA",
    "Ember window": "f1.qliEIKtG45sa6CAZjJ6sdWChbonhWFASh7pVB-JyoJNxxQ00HIx1YCFjpGekgxx-KGlPBxacZjrI6S01NykVbBosAgz1gAoQMWMK9Cw8XGprAQ",
    "Reef": "f1.jIlKmqtG45sZ6iAZjJ6sdWChbmiigxIbZhiOByV5qNt1EKke6A1oGBjrwELFCMRGSkdAywoyk4tBamFBa6RnqIMU5iZAb8B9XFsLAA",
    "Lagoon whirlpool": "f1.YwthAqtG41tYwC0yxnAQ2CU64NQMdA_UMyY6SN5BS2OxOsgJJCcxPT8frBUWZGDdiLA0AzoP7pPaWgA",
    "Oil on water": "f1.MSVAjKtG4xsa6SAZDE3dGC4DpWegizDCFqYcGpOGBnpmwPABGlYKjl9wEkIEmLGeGdA9cKfX1gIA",
    "Aurora star": "f1.Jv9Ro6tG4xua6SAZjJ6sdWChbonhWFASh7pVB-JyoJNxxQ00HIx1YCFjpGeqgxx-KGlPBzmVJZYCE2wiyBBYuBvpmeggRYgx0I_w4KitBQA",
    "Delft marble": "f1.j_UDMqtG41sYwC0yxXAQPLEiHAX1EVAtup9ikaLWVAcz5k10kBNPQX5RcmpOIjCfxCJC1FDPTAcpqE2Arod7tLYWAA",
    "Carnival": "f1.-3foDatG41uaYTgDlHgRroB6wVQH5ilDPTMd5GSQnFiUB9SeA1IMCxojPUsdpDAzBjoD7uLaWgA",
    "Gilded screen": "f1.88lbaKtG45saE3IG1A-mOjBfGekB9SD5HZp-dGCBYKSDnEqSEkszgHkAZBIs4Iz0DHSQQtQI6Ei4f2prAQ",
}
"""Name to token."""


def starter(name: str) -> Recipe:
    """A chosen first picture.

    Raises:
        UserError: no such name.
    """
    if name not in STARTERS:
        raise UserError(f"There is no picture named {name!r}; the pictures are {', '.join(STARTERS)}.")
    return from_token(STARTERS[name])
