# shellcheck shell=bash disable=SC2034  # used by the scripts that source it
# What `make setup` installs and the tests run. Read by the scripts and, line by line, by the tests crate.
ENVOY_NEWEST=1.40.0
ENVOY_OLDEST=1.36.2
FORTIO=v1.68.0
