// Answers conformance questions as OPA's Envoy plugin would: errors of builtins are undefined.
//
// Standard input is what `conformance --questions` wrote; standard output is tests/conformance/opa.json.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"
	"github.com/open-policy-agent/opa/v1/version"
)

type question struct {
	ID          string            `json:"id"`
	RegoVersion int               `json:"rego_version"`
	Modules     map[string]string `json:"modules"`
	Query       string            `json:"query"`
	Data        map[string]any    `json:"data"`
	Input       *any              `json:"input"`
	InputTerm   *string           `json:"input_term"`
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type answer struct {
	Value any      `json:"value,omitempty"`
	Error *failure `json:"error,omitempty"`
}

type answers struct {
	OPA     string            `json:"opa"`
	Answers map[string]answer `json:"answers"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
}

func run() error {
	bytes, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var questions []question
	if err := util.UnmarshalJSON(bytes, &questions); err != nil {
		return err
	}
	all := answers{OPA: version.Version, Answers: map[string]answer{}}
	for _, q := range questions {
		value, err := ask(q)
		if err != nil {
			all.Answers[q.ID] = answer{Error: describe(err)}
		} else {
			all.Answers[q.ID] = answer{Value: value}
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(all)
}

func ask(q question) (any, error) {
	language := ast.RegoV1
	if q.RegoVersion == 0 {
		language = ast.RegoV0
	}
	ctx := context.Background()
	options := []func(*rego.Rego){
		rego.Query(q.Query),
		rego.SetRegoVersion(language),
		rego.StrictBuiltinErrors(false),
		rego.Runtime(runtime()),
		rego.Store(inmem.NewFromObject(q.Data)),
	}
	for name, text := range q.Modules {
		options = append(options, rego.Module(name, text))
	}
	switch {
	case q.InputTerm != nil:
		term, err := ast.ParseTerm(*q.InputTerm)
		if err != nil {
			return nil, err
		}
		options = append(options, rego.ParsedInput(term.Value))
	case q.Input != nil:
		options = append(options, rego.Input(*q.Input))
	}
	results, err := rego.New(options...).Eval(ctx)
	if err != nil {
		return nil, err
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return []any{}, nil
	}
	return results[0].Expressions[0].Value, nil
}

// What `opa.runtime` gives in a program without configuration or environment.
func runtime() *ast.Term {
	return ast.ObjectTerm(
		[2]*ast.Term{ast.StringTerm("commit"), ast.StringTerm("")},
		[2]*ast.Term{ast.StringTerm("config"), ast.ObjectTerm()},
		[2]*ast.Term{ast.StringTerm("env"), ast.ObjectTerm()},
		[2]*ast.Term{ast.StringTerm("version"), ast.StringTerm(version.Version)},
	)
}

// The first error decides: OPA lists all that it finds.
func describe(err error) *failure {
	var evaluation *topdown.Error
	if errors.As(err, &evaluation) {
		return &failure{Code: evaluation.Code, Message: evaluation.Message}
	}
	var build rego.Errors
	if errors.As(err, &build) && len(build) > 0 {
		return describe(build[0])
	}
	var compile ast.Errors
	if errors.As(err, &compile) && len(compile) > 0 {
		return describe(compile[0])
	}
	var one *ast.Error
	if errors.As(err, &one) {
		return &failure{Code: one.Code, Message: one.Message}
	}
	return &failure{Code: "unknown", Message: err.Error()}
}
