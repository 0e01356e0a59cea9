// Command rbac says what istiod makes of AuthorizationPolicies: on standard input one JSON object a line, on
// standard output one line for each, with the HTTP filters that the proxy of the workload gets.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	authz "istio.io/api/security/v1beta1"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/security/authz/builder"
	"istio.io/istio/pilot/pkg/security/trustdomain"
	"istio.io/istio/pkg/config/validation"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/util/protomarshal"
)

// question is a workload and the policies of its mesh.
type question struct {
	Name         string            `json:"name"`
	Root         string            `json:"root"`
	TrustDomains []string          `json:"trust_domains"`
	Namespace    string            `json:"namespace"`
	Labels       map[string]string `json:"labels"`
	Policies     string            `json:"policies"`
}

// answer has the filters in the order in which the proxy asks them, and what istiod's validation refuses.
type answer struct {
	Name    string            `json:"name"`
	Filters []json.RawMessage `json:"filters"`
	Refused []string          `json:"refused"`
}

func main() {
	options := log.DefaultOptions()
	options.SetDefaultOutputLevel(log.OverrideScopeName, log.NoneLevel)
	if err := log.Configure(options); err != nil {
		fail(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fail(err)
		}
		told, err := translate(asked)
		if err != nil {
			fail(fmt.Errorf("%s: %w", asked.Name, err))
		}
		if err := out.Encode(told); err != nil {
			fail(err)
		}
	}
	if err := lines.Err(); err != nil {
		fail(err)
	}
}

func translate(asked question) (answer, error) {
	told := answer{Name: asked.Name, Filters: []json.RawMessage{}, Refused: []string{}}
	configs, _, err := crd.ParseInputs(asked.Policies)
	if err != nil {
		return told, err
	}
	known := model.AuthorizationPolicies{
		NamespaceToPolicies: map[string][]model.AuthorizationPolicy{},
		RootNamespace:       asked.Root,
	}
	for _, config := range configs {
		spec, isPolicy := config.Spec.(*authz.AuthorizationPolicy)
		if !isPolicy {
			continue
		}
		if _, err := validation.ValidateAuthorizationPolicy(config); err != nil {
			told.Refused = append(told.Refused, err.Error())
			continue
		}
		known.NamespaceToPolicies[config.Namespace] = append(known.NamespaceToPolicies[config.Namespace],
			model.AuthorizationPolicy{
				Name:        config.Name,
				Namespace:   config.Namespace,
				Annotations: config.Annotations,
				Spec:        spec,
			})
	}
	matcher := model.PolicyMatcherFor(asked.Namespace, asked.Labels, false).WithRootNamespace(asked.Root)
	bundle := trustdomain.NewBundle(asked.TrustDomains[0], asked.TrustDomains[1:])
	filters := builder.New(bundle, nil, known.ListAuthorizationPolicies(matcher), builder.Option{})
	if filters == nil {
		return told, nil
	}
	for _, filter := range filters.BuildHTTP() {
		text, err := protomarshal.ToJSON(filter)
		if err != nil {
			return told, err
		}
		told.Filters = append(told.Filters, json.RawMessage(text))
	}
	return told, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "rbac:", err)
	os.Exit(1)
}
