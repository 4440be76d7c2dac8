#!/bin/sh
# Build the profile from the two samples that README.md names.
here=$(dirname "$0")
exec baler profile build "$@" --config "$here/make.yaml" --force -o "$here/baler_profile_physlite/physlite.balm"
