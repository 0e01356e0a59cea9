package main

import (
	"math/rand"

	"github.com/open-policy-agent/opa/v1/ast"
)

type emitter = func(string, ...*ast.Term)

// family is builtins with the kinds of their arguments: a letter each, which args knows.
type family struct {
	name  string
	calls map[string]string
}

var families = []family{
	{"regex", map[string]string{"regex.match": "Rt", "regex.is_valid": "R", "regex.split": "Rt",
		"regex.find_n": "Rti", "regex.find_all_string_submatch_n": "Rti", "regex.replace": "tR$",
		"regex.template_match": "Mt()", "re_match": "Rt"}},
	{"glob", map[string]string{"glob.match": "Gds", "glob.quote_meta": "G"}},
	{"sprintf", map[string]string{"sprintf": "Fa"}},
	{"strings", map[string]string{"strings.replace_n": "Os", "strings.count": "ss", "strings.reverse": "s",
		"strings.split_n": "ssi", "strings.any_prefix_match": "SS", "strings.any_suffix_match": "SS",
		"trim": "ss", "trim_left": "ss", "trim_right": "ss", "trim_prefix": "ss", "trim_suffix": "ss",
		"trim_space": "s", "replace": "sss", "indexof": "ss", "indexof_n": "ss", "substring": "sii",
		"upper": "s", "lower": "s", "concat": "sS", "split": "ss", "format_int": "nb", "startswith": "ss",
		"endswith": "ss", "contains": "ss"}},
	{"numbers", map[string]string{"numbers.range": "ii", "numbers.range_step": "iii", "bits.lsh": "ni",
		"bits.rsh": "ni", "bits.and": "nn", "bits.or": "nn", "bits.xor": "nn", "bits.negate": "n", "abs": "n",
		"ceil": "n", "floor": "n", "round": "n", "sum": "N", "product": "N", "to_number": "T", "units.parse": "U", "units.parse_bytes": "U"}},
	{"json", map[string]string{"json.marshal": "v", "json.marshal_with_options": "vo", "json.unmarshal": "J",
		"json.is_valid": "J", "json.filter": "xp", "json.remove": "xp", "json.patch": "xP"}},
	{"objects", map[string]string{"object.filter": "xk", "object.remove": "xk", "object.get": "xkv",
		"object.keys": "x", "object.union": "xx", "object.union_n": "X", "object.subset": "vv",
		"array.concat": "vv", "array.flatten": "v", "array.reverse": "v", "array.slice": "vii", "union": "v",
		"intersection": "v", "set_diff": "vv", "sort": "v", "max": "v", "min": "v", "count": "v", "all": "B",
		"any": "B", "cast_array": "v", "cast_set": "v", "cast_string": "v", "cast_boolean": "v",
		"cast_null": "v", "cast_object": "v", "type_name": "v", "graph.reachable": "gk",
		"graph.reachable_paths": "gk", "is_array": "v", "is_set": "v", "is_object": "v", "is_null": "v",
		"is_number": "v", "is_boolean": "v", "is_string": "v"}},
	{"encodings", map[string]string{"semver.compare": "VV", "semver.is_valid": "V",
		"urlquery.encode_object": "q", "urlquery.decode_object": "Q", "urlquery.encode": "s",
		"urlquery.decode": "Q", "hex.encode": "s", "hex.decode": "h", "base64.encode": "s",
		"base64.decode": "6", "base64.is_valid": "6", "base64url.encode": "s", "base64url.decode": "6",
		"base64url.encode_no_pad": "s"}},
}

// fixed is the fixture: some calls of every builtin, and those that are known to be hard.
func fixed(emit emitter) {
	r := rand.New(rand.NewSource(2))
	for _, family := range families {
		for _, name := range sortedNames(family.calls) {
			n := 40
			switch family.name {
			case "regex":
				n = 120
			case "glob", "sprintf":
				n = 400
			}
			for range n {
				one(r, emit, name, family.calls[name])
			}
		}
	}
	for _, call := range hard {
		emit(call.name, terms(call.args)...)
	}
}

func random(n int, r *rand.Rand, only string, emit emitter) {
	for _, family := range families {
		if only != "" && only != family.name {
			continue
		}
		names := sortedNames(family.calls)
		for range n {
			name := names[r.Intn(len(names))]
			one(r, emit, name, family.calls[name])
		}
	}
}

func one(r *rand.Rand, emit emitter, name, kinds string) {
	args := make([]*ast.Term, len(kinds))
	for i, kind := range kinds {
		args[i] = arg(r, kind)
		// A wrong type now and then.
		if r.Intn(40) == 0 {
			args[i] = arg(r, 'v')
		}
	}
	emit(name, args...)
}

func terms(args []string) []*ast.Term {
	out := make([]*ast.Term, len(args))
	for i, text := range args {
		out[i] = ast.MustParseTerm(text)
	}
	return out
}

type hardCall struct {
	name string
	args []string
}

var hard = func() (calls []hardCall) {
	add := func(name string, args ...string) { calls = append(calls, hardCall{name, args}) }
	for _, pattern := range []string{`(a*)*`, `(a|b*)*?`, `(|a)+`, `(|a)*`, `(?:a{0,2}){3}`, `(a{10}){101}`,
		`a{1001}`, `a{2,1}`, `a{,2}`, `a**`, `a*?`, `a*??`, `(?i)k`, `(?i)[^k]`, `(?i:S)s`, `(?-i)a`, `(?i-)a`,
		`(?P<n>a)(?P<n>b)`, `(?<x>a)`, `(?P<1>a)`, `\pN+`, `\p{Greek}`, `\P{^Lu}`, `\p{Old_Italic}`, `\p{Any}`,
		`(?i)\p{Lu}`, `[[:alpha:]_]`, `[[:^digit:]]`, `[[:foo:]]`, `[]a]`, `[^]a]`, `[a-]`, `[-a]`, `[b-a]`,
		`[\d-z]`, `\Qa.b\E+`, `\C`, `\x{10FFFF}`, `\x{110000}`, `\01`, `\8`, `\bfoo\b`, `\Boo`, `^$`, `(?m)^a$`,
		`(?s).`, `a(?i)*`, `a|*`, `(`, `)`, `[`, `\`, `x{0}`, `(x){0}y`, `(?U)a+`, `(?U)a+?`, `\z`, `\Z`, `$a`} {
		for _, text := range []string{"", "aab", "foo K\u212a s\u017f", "a\nb", "12\u0663\u03b1A.b"} {
			add("regex.match", quoted(pattern), quoted(text))
			add("regex.find_all_string_submatch_n", quoted(pattern), quoted(text), "-1")
			add("regex.split", quoted(pattern), quoted(text))
			add("regex.replace", quoted(text), quoted(pattern), quoted("<$0$1${1}x$n>$$"))
		}
		add("regex.is_valid", quoted(pattern))
	}
	for _, pattern := range []string{"{a,b}*", "{,a}", "{a,{b,c}}d", "[!a-c]?", "[\\]]", "[\\-a]", "[a-c", "[]",
		"[!]", "***", "**.b", "*.{com,org}", "a\\*", "\\", "}", ",", "{", "[a-cx]", "*{*0,}", "?", "a**b*c", "*/b"} {
		for _, text := range []string{"", "a", "b.com", "abc", "a/b", "a.b.c", "]", "0", "a*", "}"} {
			for _, delimiters := range []string{"null", "[]", `["/"]`, `[".", "/"]`, `["ab"]`} {
				add("glob.match", quoted(pattern), delimiters, quoted(text))
			}
		}
	}
	for _, format := range []string{"%s", "%d", "%v", "%+v", "%#v", "%q", "%+q", "%#q", "%x", "%X", "% x", "%#x",
		"%o", "%O", "%#o", "%b", "%c", "%U", "%#U", "%e", "%E", "%f", "%F", "%.2f", "%8.3f", "%-8d|", "%08d",
		"%+d", "% d", "%5s|", "%-5s|", "%05s", "%.2s", "%.0d", "%g", "%.3g", "%#g", "%t", "%T", "%p", "%w", "%z",
		"%!", "%", "%%", "%5%", "%[1]d", "%[2]d", "%[1]*d", "%*d", "%.*f", "%[3]d", "%[x]d", "%[1", "%é", "%-010d",
		"%+.3e", "%010.2f", "%6c", "%3c|%-3c|", "%x %X", "%d %d", "%1000000000d"} {
		for _, args := range []string{"[]", `["aé\n\"\u200b"]`, "[5]", "[-5]", "[0]", "[1.5]", "[-0.00001]",
			"[123456789.25]", "[12345678901234567890123]", "[1.0]", "[true]", "[null]", "[[1, \"a\"]]",
			"[{\"a\": {1}}]", "[set()]", "[5, 3]", "[-4, 7]", "[3, 2.5, \"x\"]", "[1114112]", "[128512]"} {
			add("sprintf", quoted(format), args)
		}
	}
	for _, number := range []string{"-0.5", "0.5", "1.5", "2.5", "-1.5", "18446744073709551615", "2251799813685249.5",
		"123456789012345678901234567890", "-123456789012345678901234567890", "9007199254740993", "1e20", "0.1",
		"2147483648", "-2147483649", "0.49999999999999994"} {
		for _, name := range []string{"abs", "ceil", "floor", "round"} {
			add(name, number)
		}
		for _, base := range []string{"2", "8", "10", "16", "3"} {
			add("format_int", number, base)
		}
	}
	add("object.union_n", `[{"a": {"b": 2}}, {"a": 4}, {"a": {"c": 3}}]`)
	add("object.union_n", `[{"a": 4}, {"a": {"c": 3}}, {"a": {"d": 3}}]`)
	add("object.subset", "[1, 1]", "{1, 2}")
	add("json.patch", `{"a": [1, 2]}`, `[{"op": "add", "path": "/a/-", "value": 3}, {"op": "remove", "path": "a/0"}]`)
	add("json.patch", `{"a": [[1], [2]]}`, `[{"op": "add", "path": "/a/0", "value": [3]}, {"op": "add", "path": "/a/1/0", "value": 4}]`)
	add("json.unmarshal", `"1 null"`)
	add("json.unmarshal", `"[1] null x"`)
	add("json.is_valid", `"1 null"`)
	return calls
}()
