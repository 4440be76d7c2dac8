"""Hold profiles of CMS NanoAOD, files of trained models that baler finds by their names."""
