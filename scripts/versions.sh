# shellcheck shell=bash disable=SC2034  # used by the scripts that source it
# What `make setup` installs and the tests run. Read by the scripts and, line by line, by the tests crate.
ENVOY_NEWEST=1.40.0
ENVOY_OLDEST=1.36.2
FORTIO=v1.68.0
# Istio's versions of the end-to-end test, each with the Envoy that its sidecars are made of, or the next that PyPI has.
ISTIO="1.30 1.31"
ISTIO_1_30_ENVOY=1.38.2
ISTIO_1_31_ENVOY=1.40.0
