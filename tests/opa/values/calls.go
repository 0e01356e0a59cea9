package main

import (
	"math/rand"

	"github.com/open-policy-agent/opa/v1/ast"
)

func fixed(emit func(string, ...*ast.Term))                                {}
func random(n int, r *rand.Rand, only string, emit func(string, ...*ast.Term)) {}
