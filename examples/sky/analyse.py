"""Work from the compressed file with astropy: `python analyse.py field.bal` (any .bal file with an image SCI, a table STARS)."""

import sys

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS

import baler_fits

# %% open as astropy opens the FITS file: headers are there, pixels are not restored yet
with baler_fits.open(sys.argv[1]) as hdus:
    hdus.info()
    header = hdus["SCI"].header
    print(repr(header[:8]))

    # %% a corner of the image, with the world coordinates of that corner
    corner = hdus["SCI"].section[100:120, 40:80]
    wcs = WCS(header)[100:120, 40:80]
    print("median of the corner:", np.median(corner), "its reference pixel:", wcs.wcs.crpix)

# %% the catalogue, by astropy's own reading
stars = Table.read(sys.argv[1], hdu="STARS")
stars.sort(stars.colnames[-2])
print(stars[:5])
