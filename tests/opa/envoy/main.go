// OPA with its Envoy plugin, at the version of OPA whose cases and answers everything else here uses.
//
// The plugin has one entry point and one address. So that one process can answer for many policies, it is
// registered once for every name in SIDEGATE_PLUGINS (separated by commas), each with its own
// configuration.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/open-policy-agent/opa-envoy-plugin/plugin"
	"github.com/open-policy-agent/opa/cmd"
	"github.com/open-policy-agent/opa/v1/runtime"
)

func main() {
	runtime.RegisterPlugin(plugin.PluginName, plugin.Factory{})
	for name := range strings.SplitSeq(os.Getenv("SIDEGATE_PLUGINS"), ",") {
		if name != "" {
			runtime.RegisterPlugin(name, plugin.Factory{})
		}
	}
	if err := cmd.RootCommand.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
