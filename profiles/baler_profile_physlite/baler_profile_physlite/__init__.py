"""Hold profiles of ATLAS PHYSLITE, files of trained models that baler finds by their names."""
