"""Writes field.fits: a noisy image with stars and a galaxy, a mask, and the catalogue of the stars as a binary table."""

from pathlib import Path

import numpy as np
from astropy.io import fits

rng = np.random.default_rng(4)
y, x = np.mgrid[0:300, 0:320]
image = rng.normal(100, 3, x.shape) + 400 * np.exp(-(((x - 160) / 40) ** 2 + ((y - 150) / 25) ** 2))
stars = 80
sx, sy, flux = rng.uniform(5, 315, stars), rng.uniform(5, 295, stars), 10 ** rng.uniform(2, 4.5, stars)
for px, py, f in zip(sx, sy, flux, strict=True):
    image += f / (2 * np.pi * 1.8**2) * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 1.8**2))
image[40:44, :] = np.nan
sci = fits.ImageHDU(image.astype(np.float32), name="SCI")
sci.header["BUNIT"] = ("adu", "counts of the detector")
sci.header["EXPTIME"] = (120.0, "exposure in seconds")
mask = fits.ImageHDU(np.isnan(image).astype(np.int16), name="MASK")
table = fits.BinTableHDU.from_columns(
    [
        fits.Column("NUMBER", "J", array=np.arange(1, stars + 1)),
        fits.Column("X", "E", unit="pix", array=sx),
        fits.Column("Y", "E", unit="pix", array=sy),
        fits.Column("MAG", "E", unit="mag", array=25 - 2.5 * np.log10(flux)),
        fits.Column("NAME", "8A", array=[f"S{i:04d}" for i in range(stars)]),
    ],
    name="STARS",
)
fits.HDUList([fits.PrimaryHDU(), sci, mask, table]).writeto(Path(__file__).with_name("field.fits"), overwrite=True)
