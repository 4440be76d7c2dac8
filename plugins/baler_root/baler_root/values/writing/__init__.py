"""Place keys, folders and carried objects in a ROOT file that uproot is writing."""
