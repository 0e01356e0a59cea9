// Asks the real OPA what its builtins answer.
//
//	go run . fixed          calls written down in calls.go and edge values, one a line
//	go run . random N SEED  N random calls of every family
//	go run . arithmetic N SEED
//	                        N random operations
//	go run . tables FILE    Unicode as Go has it, for the engine
//
// A line is {"name": …, "args": […], "opa": …}; no "opa" is an error or undefined. A set is
// {"$set": […]}, an object with keys that are no strings {"$object": [[k, v], …]}, a string that is not
// UTF-8 {"$bytes": true}.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

type call struct {
	Name string `json:"name"`
	Args []any  `json:"args"`
	Opa  any    `json:"opa,omitempty"`
}

// null is an answer, too, which "omitempty" would leave out.
var null = json.RawMessage("null")

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	emit := func(name string, args ...*ast.Term) {
		line := call{Name: name, Args: make([]any, len(args))}
		for i, arg := range args {
			line.Args[i] = encode(arg.Value)
		}
		if answer := ask(name, args); answer != nil {
			line.Opa = encode(answer)
			if line.Opa == nil {
				line.Opa = null
			}
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(line); err != nil {
			panic(err)
		}
	}
	switch {
	case len(os.Args) == 2 && os.Args[1] == "fixed":
		fixed(emit)
	case len(os.Args) == 4 && os.Args[1] == "arithmetic":
		n, _ := strconv.Atoi(os.Args[2])
		seed, _ := strconv.ParseInt(os.Args[3], 10, 64)
		r := rand.New(rand.NewSource(seed))
		for range n {
			emit(pick(r, "plus", "minus", "mul", "div", "rem"), arg(r, 'n'), arg(r, 'n'))
		}
	case len(os.Args) >= 4 && os.Args[1] == "random":
		n, _ := strconv.Atoi(os.Args[2])
		seed, _ := strconv.ParseInt(os.Args[3], 10, 64)
		only := ""
		if len(os.Args) > 4 {
			only = os.Args[4]
		}
		random(n, rand.New(rand.NewSource(seed)), only, emit)
	case len(os.Args) == 3 && os.Args[1] == "tables":
		if err := os.WriteFile(os.Args[2], tables(), 0o644); err != nil {
			panic(err)
		}
	default:
		fmt.Fprintln(os.Stderr, "expected fixed, arithmetic N SEED, random N SEED [FAMILY] or tables FILE")
		os.Exit(2)
	}
}

// ask is the builtin's answer, or nil for an error or no answer.
func ask(name string, args []*ast.Term) (answer ast.Value) {
	function := topdown.GetBuiltin(name)
	if function == nil {
		panic("no builtin " + name)
	}
	defer func() {
		// A builtin that panics takes the evaluation with it: no answer.
		if recovered := recover(); recovered != nil {
			answer = nil
		}
	}()
	// As in a query: with a way to cancel it, which some builtins behave by.
	bctx := topdown.BuiltinContext{Context: context.Background(), Cancel: topdown.NewCancel()}
	err := function(bctx, args, func(term *ast.Term) error {
		answer = term.Value
		return nil
	})
	if err != nil {
		return nil
	}
	return answer
}

func encode(value ast.Value) any {
	switch v := value.(type) {
	case ast.Null:
		return nil
	case ast.Boolean:
		return bool(v)
	case ast.Number:
		// Text that is no JSON, such as +5 or 0x1F, is a number to OPA, too.
		if json.Valid([]byte(v)) {
			return json.Number(v)
		}
		return map[string]any{"$number": string(v)}
	case ast.String:
		if !utf8.ValidString(string(v)) {
			return map[string]any{"$bytes": true}
		}
		return string(v)
	case *ast.Array:
		items := make([]any, 0, v.Len())
		v.Foreach(func(item *ast.Term) { items = append(items, encode(item.Value)) })
		return items
	case ast.Set:
		items := make([]any, 0, v.Len())
		for _, item := range v.Slice() {
			items = append(items, encode(item.Value))
		}
		return map[string]any{"$set": items}
	case ast.Object:
		plain, pairs, simple := map[string]any{}, []any{}, true
		v.Foreach(func(key, item *ast.Term) {
			name, ok := key.Value.(ast.String)
			simple = simple && ok && (len(name) == 0 || name[0] != '$')
			plain[string(name)] = encode(item.Value)
			pairs = append(pairs, []any{encode(key.Value), encode(item.Value)})
		})
		if simple {
			return plain
		}
		return map[string]any{"$object": pairs}
	}
	panic(fmt.Sprintf("no encoding of %T", value))
}
