// Answers questions about bundles as OPA's Envoy plugin would: errors of builtins are undefined.
//
// Standard input is a list of {bundle, query, inputs}, standard output a list of {error} or
// {answers: [{defined, value}]} in the same order. A bundle is activated as OPA's plugin activates it, so
// that its manifest's roots are checked.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/util"
)

type question struct {
	Bundle string `json:"bundle"`
	Query  string `json:"query"`
	Inputs []any  `json:"inputs"`
}

type answer struct {
	Defined bool `json:"defined"`
	Value   any  `json:"value,omitempty"`
}

type answered struct {
	Error   string   `json:"error,omitempty"`
	Answers []answer `json:"answers,omitempty"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
}

func run() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var questions []question
	if err := util.UnmarshalJSON(text, &questions); err != nil {
		return err
	}
	all := make([]answered, 0, len(questions))
	for _, q := range questions {
		answers, err := ask(q)
		if err != nil {
			all = append(all, answered{Error: err.Error()})
		} else {
			all = append(all, answered{Answers: answers})
		}
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

func ask(q question) ([]answer, error) {
	packed, err := os.ReadFile(q.Bundle)
	if err != nil {
		return nil, err
	}
	read, err := bundle.NewReader(bytes.NewReader(packed)).Read()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	store := inmem.New()
	compiler := ast.NewCompiler()
	txn, err := store.NewTransaction(ctx, storage.WriteParams)
	if err != nil {
		return nil, err
	}
	err = bundle.Activate(&bundle.ActivateOpts{
		Ctx: ctx, Store: store, Txn: txn, Compiler: compiler, Metrics: metrics.New(),
		Bundles: map[string]*bundle.Bundle{"slice": &read},
	})
	if err != nil {
		store.Abort(ctx, txn)
		return nil, err
	}
	if err := store.Commit(ctx, txn); err != nil {
		return nil, err
	}
	prepared, err := rego.New(rego.Compiler(compiler), rego.Store(store), rego.Query(q.Query)).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}
	var answers []answer
	for _, input := range q.Inputs {
		results, err := prepared.Eval(ctx, rego.EvalInput(input))
		if err != nil || len(results) == 0 {
			answers = append(answers, answer{})
			continue
		}
		answers = append(answers, answer{Defined: true, Value: results[0].Expressions[0].Value})
	}
	return answers, nil
}
