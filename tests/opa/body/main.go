// Writes what OPA's Envoy plugin makes of request bodies, as fixtures for tests: one JSON object a line,
// hand-picked bodies first, then bodies made by a seeded generator. The argument is the repository's root.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf8"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/open-policy-agent/opa-envoy-plugin/envoyauth"
	"github.com/open-policy-agent/opa/v1/logging"
)

// A request with a body, and what the plugin says of it.
type Case struct {
	Type   *string         `json:"type,omitempty"`
	Length *string         `json:"length,omitempty"`
	Body   string          `json:"body"`
	Error  bool            `json:"error,omitempty"`
	Cut    bool            `json:"cut,omitempty"`
	Parsed json.RawMessage `json:"parsed,omitempty"`
}

func (c *Case) ask() error {
	headers := map[string]string{}
	if c.Type != nil {
		headers["content-type"] = *c.Type
	}
	if c.Length != nil {
		headers["content-length"] = *c.Length
	}
	request := &auth.CheckRequest{Attributes: &auth.AttributeContext{
		MetadataContext: &core.Metadata{},
		Request: &auth.AttributeContext_Request{Http: &auth.AttributeContext_HttpRequest{
			Path: "/", Headers: headers, Body: c.Body,
		}},
	}}
	input, err := envoyauth.RequestToInput(request, logging.NewNoOpLogger(), nil, false)
	if err != nil {
		c.Error = true
		return nil
	}
	cut, ok := input["truncated_body"].(bool)
	if !ok {
		return fmt.Errorf("no truncated_body for %q", c.Body)
	}
	c.Cut = cut
	c.Parsed, err = json.Marshal(input["parsed_body"])
	return err
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("expected the root of the repository as argument")
	}
	bodies := append(picked(), random(20261124, 1200)...)
	for _, c := range bodies {
		if !utf8.ValidString(c.Body) {
			return fmt.Errorf("expected text, Envoy sends nothing else: %q", c.Body)
		}
		if err := c.ask(); err != nil {
			return err
		}
	}
	set, files, err := descriptorSet()
	if err != nil {
		return err
	}
	calls, err := grpcCalls(files, 20261124, 1500)
	if err != nil {
		return err
	}
	root := os.Args[1]
	return errors.Join(
		write(filepath.Join(root, "engine/tests/fixtures/bodies.jsonl"), bodies),
		os.WriteFile(filepath.Join(root, "compiler/tests/fixtures/grpc.pb"), set, 0o644),
		write(filepath.Join(root, "compiler/tests/fixtures/grpc.jsonl"), calls),
	)
}

// write writes one JSON object a line.
func write[T any](path string, lines []T) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for _, line := range lines {
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}
