#!/bin/sh
# Build the profile from the sample that README.md names.
here=$(dirname "$0")
exec baler profile build "$1" --config "$here/make.yaml" --rows 150 --force -o "$here/baler_profile_nanoaod/nanoaod5.balm"
