"""Work from the compressed file with awkward alone: `python analyse.py events.bal` (any .bal file with jets in `Events`)."""

import sys

import awkward as ak
import numpy as np

import baler_root

# %% open as uproot opens the ROOT file
tree = baler_root.open(sys.argv[1])["Events"]
print(tree, tree.keys(filter_name="Jet_*"))

# %% invariant mass of the two leading jets, some events at a time: only four branches are restored
histogram = np.zeros(20, int)
for events in tree.iterate(["Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass"], step_size=1000):
    jets = ak.zip({name: events[f"Jet_{name}"] for name in ("pt", "eta", "phi", "mass")})
    jets = jets[ak.argsort(jets.pt, ascending=False)]
    jets = jets[ak.num(jets) >= 2]
    first, second = jets[:, 0], jets[:, 1]
    mass = np.sqrt(2 * first.pt * second.pt * (np.cosh(first.eta - second.eta) - np.cos(first.phi - second.phi)))
    histogram += np.histogram(ak.to_numpy(mass), bins=20, range=(0, 400))[0]
print("leading pairs per 20 GeV:", histogram.tolist())

# %% the first events alone
print(tree["MET_pt"].array(entry_stop=5).to_list())
