// Writes calls of builtins with the answers of the real OPA: engine/tests/fixtures/builtins-crypto.json.
//
// Keys and certificates are made anew in every run, so the calls differ from run to run; what is asked
// does not. Clock and seed are those of engine/tests/builtins.rs.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
)

const now = "1767323045678901000"

type call struct {
	Args    []any `json:"args"`
	OPA     any   `json:"opa,omitempty"`
	Refused bool  `json:"refused,omitempty"`
	Either  bool  `json:"either,omitempty"`
	text    string
}

// notText is set by encode where a string is not UTF-8: Sidegate's are.
var notText bool

var calls = map[string][]call{}

// ask has OPA answer a call and notes it.
func ask(name string, args ...ast.Value) { note(name, false, args...) }

// refused is for calls that Sidegate does not answer.
func refused(name string, args ...ast.Value) { note(name, true, args...) }

// either is for calls that Sidegate may answer or refuse.
func either(name string, args ...ast.Value) {
	before := len(calls[name])
	ask(name, args...)
	if len(calls[name]) > before {
		calls[name][before].Either = true
	}
}

func note(name string, refused bool, args ...ast.Value) {
	c := call{Refused: refused}
	for _, arg := range args {
		c.Args = append(c.Args, encode(arg))
	}
	if c.Args == nil {
		c.Args = []any{}
	}
	notText = false
	answer, panicked := opa(name, args)
	if answer != nil {
		c.OPA = encode(answer)
	}
	// OPA falls over: there is no answer to give.
	c.Refused = c.Refused || panicked || notText
	text, err := json.Marshal(c.Args)
	if err != nil {
		panic(err)
	}
	c.text = string(text)
	for _, other := range calls[name] {
		if other.text == c.text {
			return
		}
	}
	calls[name] = append(calls[name], c)
}

func opa(name string, args []ast.Value) (answer ast.Value, panicked bool) {
	f := topdown.GetBuiltin(name)
	if f == nil {
		panic("no builtin " + name)
	}
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(os.Stderr, "%s: OPA panicked: %v\n", name, r)
			answer, panicked = nil, true
		}
	}()
	operands := make([]*ast.Term, len(args))
	for i, arg := range args {
		operands[i] = ast.NewTerm(arg)
	}
	context := topdown.BuiltinContext{
		Time:  ast.NumberTerm(json.Number(now)),
		Seed:  bytes.NewReader(make([]byte, 1<<16)),
		Cache: builtins.Cache{},
	}
	err := f(context, operands, func(t *ast.Term) error {
		answer = t.Value
		return nil
	})
	if err != nil {
		return nil, false
	}
	return answer, false
}

func encode(v ast.Value) any {
	switch v := v.(type) {
	case ast.Null:
		return json.RawMessage("null")
	case ast.Boolean:
		return bool(v)
	case ast.Number:
		return json.RawMessage(string(v))
	case ast.String:
		if !utf8.ValidString(string(v)) {
			notText = true
			return map[string]any{"$bytes": true}
		}
		return string(v)
	case *ast.Array:
		items := []any{}
		v.Foreach(func(t *ast.Term) { items = append(items, encode(t.Value)) })
		return items
	case ast.Set:
		items := []any{}
		v.Foreach(func(t *ast.Term) { items = append(items, encode(t.Value)) })
		return map[string]any{"$set": items}
	case ast.Object:
		plain, pairs := map[string]any{}, []any{}
		v.Foreach(func(k, v *ast.Term) {
			if s, ok := k.Value.(ast.String); ok {
				plain[string(s)] = encode(v.Value)
			}
			pairs = append(pairs, []any{encode(k.Value), encode(v.Value)})
		})
		if len(plain) < len(pairs) {
			return map[string]any{"$object": pairs}
		}
		return plain
	}
	panic(fmt.Sprintf("unexpected %T", v))
}

// term reads a value written in Rego.
func term(text string) ast.Value { return ast.MustParseTerm(text).Value }

func str(text string) ast.Value { return ast.String(text) }

// odd are values that builtins of strings do not take.
var odd = []ast.Value{
	term("null"), term("true"), term("1"), term("1.5"), term("[]"), term(`["a"]`), term("{}"),
	term(`{"a": 1}`), term("set()"), term(`{"a"}`), term(`[[1]]`), term(`{1: 2}`),
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "expected the file to write")
		os.Exit(2)
	}
	hashes()
	networks()
	times()
	chance()
	tokens()
	certificates()

	names := make([]string, 0, len(calls))
	for name := range calls {
		names = append(names, name)
	}
	sort.Strings(names)
	var out bytes.Buffer
	out.WriteString("{\n")
	for i, name := range names {
		fmt.Fprintf(&out, "%q: [\n", name)
		for j, c := range calls[name] {
			var line bytes.Buffer
			encoder := json.NewEncoder(&line)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(c); err != nil {
				panic(err)
			}
			out.WriteString("  ")
			out.Write(bytes.TrimSpace(line.Bytes()))
			if j+1 < len(calls[name]) {
				out.WriteString(",")
			}
			out.WriteString("\n")
		}
		out.WriteString("]")
		if i+1 < len(names) {
			out.WriteString(",")
		}
		out.WriteString("\n")
		fmt.Fprintf(os.Stderr, "%s: %d calls\n", name, len(calls[name]))
	}
	out.WriteString("}\n")
	if err := os.WriteFile(os.Args[1], out.Bytes(), 0o644); err != nil {
		panic(err)
	}
}
