package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"sort"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

func sortedNames(calls map[string]string) []string {
	var names []string
	for name := range calls {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// quoted is text as Rego and JSON write it.
func quoted(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(out)
}

func pick(r *rand.Rand, from ...string) string { return from[r.Intn(len(from))] }

// text is a short string of few characters, so that much matches.
func text(r *rand.Rand, of string, most int) string {
	runes := []rune(of)
	var b strings.Builder
	for range r.Intn(most + 1) {
		b.WriteRune(runes[r.Intn(len(runes))])
	}
	return b.String()
}

const letters = "aabbcAK kſé0.1-_/\nΣßİ中\U0001F600"

func regex(r *rand.Rand, depth int) string {
	if depth == 0 || r.Intn(4) == 0 {
		return pick(r, "a", "b", "c", "k", "K", "s", "é", "0", ".", `\d`, `\w`, `\s`, `\D`, `\W`, `\S`, `\b`, `\B`,
			"^", "$", `\A`, `\z`, "[ab]", "[^ab]", "[a-c]", "[^a-c0-9]", "[[:alpha:]]", "[[:^space:]k]", `\pL`,
			`\PL`, `\p{Lu}`, `\p{Greek}`, `\p{Ll}`, `\p{Nd}`, `\p{Cased_Letter}`, `\p{`+script(r)+"}", `\.`, `\n`, `\x41`,
			`[\d_]`, `[\W]`, `[k-s]`, `[^K]`, "ß", "Σ", `\x{1F600}`, "(?i)", "(?m)", "(?s)", "(?U)", "ab", "aa", "{", "]",
			`\Qa.\E`, "", "(?:)", "[^[:word:]]", `\p{C}`, `\p{L}`, `[\p{Lu}a]`, "İ", "ſ")
	}
	switch r.Intn(10) {
	case 0, 1:
		return regex(r, depth-1) + "|" + regex(r, depth-1)
	case 2, 3:
		return regex(r, depth-1) + pick(r, "*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}", "{2,3}?", "{0}", "{,2}", "{0,1}", "{1}")
	case 4, 5:
		return pick(r, "(", "(", "(?:", "(?i:", "(?P<n>", "(?<m>", "(?s:", "(?m:", "(?-i:", "(?U:", "(?ims-U:") + regex(r, depth-1) + ")"
	default:
		return regex(r, depth-1) + regex(r, depth-1)
	}
}

func script(r *rand.Rand) string {
	return pick(r, "Latin", "greek", "Han", "Old_Italic", "Common", "Lo", "Mn", "^L", "Zs", "letter", "LC", "Lc", "Cn",
		"Any", "Assigned", "ASCII", "Cyrillic", "Nope", "Punct", "punct", "Co", "Cs", "N", "P", "S", "Z", "M", "Other",
		"Uppercase Letter", "uppercase-letter", "Inherited")
}

func glob(r *rand.Rand, depth int) string {
	var b strings.Builder
	for range 1 + r.Intn(4) {
		if depth > 0 && r.Intn(4) == 0 {
			parts := make([]string, 1+r.Intn(3))
			for i := range parts {
				if r.Intn(6) > 0 {
					parts[i] = glob(r, depth-1)
				}
			}
			b.WriteString("{" + strings.Join(parts, ",") + "}")
			continue
		}
		b.WriteString(pick(r, "a", "b", ".", "/", "*", "*", "**", "?", "[ab]", "[!a]", "[a-c]", "[!a-b]", "é", "\\*", "ab", "[\\]a]", ","))
	}
	if r.Intn(25) == 0 {
		return b.String() + pick(r, "{", "}", "[", "\\", "[]", "[a", "[b-a]", "***")
	}
	return b.String()
}

func format(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.Intn(3) {
		b.WriteString(pick(r, "", "x", "é ", "%%"))
		b.WriteString("%")
		for r.Intn(3) == 0 {
			b.WriteString(pick(r, "+", "-", "#", " ", "0"))
		}
		b.WriteString(pick(r, "", "", "", "[1]", "[2]", "[9]", "[", "[x]"))
		b.WriteString(pick(r, "", "", "", "1", "6", "12", "*", "05"))
		b.WriteString(pick(r, "", "", "", ".", ".0", ".2", ".7", ".*", ".[1]*"))
		b.WriteString(pick(r, "s", "d", "v", "q", "x", "X", "o", "O", "b", "c", "U", "e", "E", "f", "F", "g", "G", "t", "T", "p", "w", "z", "é", "%", "!", ""))
	}
	return b.String()
}

func number(r *rand.Rand) string {
	sign := pick(r, "", "", "-")
	switch r.Intn(8) {
	case 0:
		return sign + fmt.Sprint(r.Intn(20))
	case 1:
		return sign + fmt.Sprint(r.Int63())
	case 2:
		return sign + fmt.Sprintf("%d%018d", 1+r.Intn(9000), r.Int63n(1e18))
	case 3:
		return sign + fmt.Sprintf("%d.%d", r.Intn(100), r.Intn(1000))
	case 4:
		return sign + fmt.Sprintf("0.%0*d", 1+r.Intn(12), r.Intn(1000))
	case 5:
		return sign + pick(r, "0", "1", "0.5", "1.5", "2147483647", "2147483648", "9007199254740993", "18446744073709551616",
			"0.1", "0.2", "0.3", "3", "7", "10", "1.0", "2.50", "100.0", "0.000001", "123456.789", "1234567.5")
	case 6:
		return sign + fmt.Sprintf("%d.%d", r.Int63n(1e10), r.Intn(100000))
	default:
		return sign + fmt.Sprint(r.Intn(2000))
	}
}

func value(r *rand.Rand, depth int) string {
	if depth == 0 || r.Intn(3) == 0 {
		switch r.Intn(6) {
		case 0:
			return pick(r, "null", "true", "false")
		case 1, 2:
			return pick(r, "0", "1", "2", "-1", "1.5", "10")
		case 3:
			return quoted(text(r, letters+"<>&\"\\\u2028\x01\x7f", 4))
		default:
			return pick(r, `"a"`, `"b"`, `"c"`, `"0"`, `"1"`)
		}
	}
	n := r.Intn(4)
	parts := make([]string, n)
	switch kind := r.Intn(3); kind {
	case 0:
		for i := range parts {
			parts[i] = value(r, depth-1)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case 1:
		if n == 0 {
			return "set()"
		}
		for i := range parts {
			parts[i] = value(r, depth-1)
		}
		return "{" + strings.Join(parts, ",") + "}"
	default:
		return object(r, depth)
	}
}

// object mostly has texts for keys, each once.
func object(r *rand.Rand, depth int) string {
	keys := map[string]bool{}
	for range r.Intn(4) {
		keys[pick(r, `"a"`, `"b"`, `"c"`, `"0"`, `"1"`, `"a/b"`, `"~"`, "1", "[1]", "null")] = true
	}
	var parts []string
	for _, key := range []string{`"a"`, `"b"`, `"c"`, `"0"`, `"1"`, `"a/b"`, `"~"`, "1", "[1]", "null"} {
		if keys[key] {
			parts = append(parts, key+":"+value(r, depth-1))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func pointer(r *rand.Rand) string {
	part := func() string { return pick(r, "a", "b", "c", "0", "1", "2", "-", "a~1b", "~0", "01", "+1", "") }
	if r.Intn(3) == 0 {
		parts := make([]string, r.Intn(4))
		for i := range parts {
			parts[i] = pick(r, `"a"`, `"b"`, `"0"`, "0", "1", `"c"`, "[1]", "null", `"-"`)
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	parts := make([]string, r.Intn(4))
	for i := range parts {
		parts[i] = part()
	}
	return quoted(pick(r, "/", "", "//") + strings.Join(parts, "/"))
}

func list(r *rand.Rand, most int, item func() string) string {
	parts := make([]string, r.Intn(most+1))
	for i := range parts {
		parts[i] = item()
	}
	if r.Intn(3) == 0 && len(parts) > 0 {
		return "{" + strings.Join(parts, ",") + "}"
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func jsonText(r *rand.Rand, depth int) string {
	space := pick(r, "", "", "", " ", "\n", "\t\r")
	if depth == 0 || r.Intn(3) == 0 {
		return space + pick(r, "null", "true", "false", "nul", "1", "-0", "01", "1.", ".5", "1.50", "1e2", "1E+2", "1e-2",
			"123456789012345678901234567890", "0.12345678901234567890", `"a"`, `"\u00e9"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\x"`,
			"\"\n\"", `"é"`, `""`, "'a'", "-", "[", "{", "1 null", "1 2", "") + space
	}
	n := r.Intn(3)
	parts := make([]string, n)
	if r.Intn(2) == 0 {
		for i := range parts {
			parts[i] = jsonText(r, depth-1)
		}
		return "[" + strings.Join(parts, ",") + pick(r, "]", "]", "]", "]", ",]", "") + space
	}
	for i := range parts {
		parts[i] = pick(r, `"a"`, `"b"`, `"a" `, "1", "a") + ":" + jsonText(r, depth-1)
	}
	return "{" + strings.Join(parts, ",") + pick(r, "}", "}", "}", "}", ",}", "")
}

// arg is an argument of a kind.
func arg(r *rand.Rand, kind rune) *ast.Term {
	str := func(s string) *ast.Term { return ast.StringTerm(s) }
	parse := func(s string) *ast.Term { return ast.MustParseTerm(s) }
	switch kind {
	case 'R':
		return str(regex(r, 1+r.Intn(4)))
	case 't':
		return str(text(r, letters, 8))
	case 's':
		return str(pick(r, text(r, "aab.", 6), text(r, letters, 6), text(r, " \t\u00a0a\u2003", 5), text(r, "ßSſKkİıǅŸÿµΜ", 4)))
	case 'i':
		return parse(pick(r, "-1", "0", "1", "2", "3", "10", "-3", "1.5", "1.0", "100", "-100"))
	case '$':
		return str(pick(r, "x", "$0", "[$1]", "${1}a", "$1a", "$n", "${n}", "$$", "$", "${", "${}", "$é", "$2$0", "$01", ""))
	case 'M':
		return str(pick(r, "", "a", "/x/") + "{" + regex(r, 2) + "}" + pick(r, "", "b", "{[a-z]+}", "}", "{"))
	case '(', ')':
		delimiter := map[rune]string{'(': "{", ')': "}"}[kind]
		return str(pick(r, delimiter, delimiter, delimiter, delimiter, delimiter, "{", "<", "ab", "a", "é", ""))
	case 'G':
		return str(glob(r, 2))
	case 'd':
		return parse(pick(r, "null", "[]", `["/"]`, `["."]`, `["/", "."]`, `["é"]`, `["ab"]`, `[1]`, `["a"]`))
	case 'F':
		return str(format(r))
	case 'a':
		return parse("[" + strings.Join(items(r, 3, func() string {
			return pick(r, number(r), number(r), number(r), value(r, 1), quoted(text(r, letters+"\x01\u200b`", 4)))
		}), ",") + "]")
	case 'O':
		return parse("{" + strings.Join(unique(items(r, 3, func() string {
			return quoted(text(r, "ab.é", 2)) + ":" + quoted(text(r, "abX", 3))
		})), ",") + "}")
	case 'S':
		if r.Intn(3) == 0 {
			return str(text(r, "ab", 2))
		}
		return parse(list(r, 3, func() string { return quoted(text(r, "abé", 3)) }))
	case 'b':
		return parse(pick(r, "2", "8", "10", "16", "3", "10.0"))
	case 'n':
		return ast.NewTerm(ast.Number(number(r)))
	case 'N':
		return parse(list(r, 4, func() string { return number(r) }))
	case 'T':
		if r.Intn(8) == 0 {
			return parse(pick(r, "null", "true", "false", "5"))
		}
		return str(pick(r, number(r), number(r), number(r)+pick(r, "e3", "E-2", "e+1", "e400", "e-400"), "+5", ".5", "5.", "05", " 5", "5 ",
			"0x1F", "0x1p3", "1_000", "inf", "-Inf", "nan", "Infinity", "", "-", "1e", "e5", "--1", "1.2.3", "٣", "1e99", "00.5"))
	case 'U':
		return str(pick(r, "", "-", "+") + pick(r, "1", "10", "1.5", "0.1", "1e3", "1e-3", "100", "2.", ".5", "123456789", "1e1234567", "1-2", "0.0001", "3") +
			pick(r, "", "K", "k", "m", "M", "Mi", "mi", "MI", "G", "Gi", "T", "Ti", "P", "Pi", "E", "Ei", "kb", "KiB", "mb", "MB", "MiB", "gb", "b", "i", "ib", "x", " ", "e", "KK", "\"k\""))
	case 'v':
		return parse(value(r, 3))
	case 'x':
		return parse(object(r, 3))
	case 'X':
		return parse("[" + strings.Join(items(r, 4, func() string { return object(r, 3) }), ",") + "]")
	case 'k':
		return parse(pick(r, value(r, 1), list(r, 3, func() string { return value(r, 1) }), object(r, 1), pointer(r)))
	case 'p':
		return parse(list(r, 3, func() string { return pointer(r) }))
	case 'P':
		return parse("[" + strings.Join(items(r, 3, func() string { return operation(r) }), ",") + "]")
	case 'o':
		var parts []string
		for _, part := range []string{`"prefix":` + pick(r, `">"`, `""`, "1"), `"indent":` + pick(r, `"  "`, `"\t"`, `""`), `"pretty":` + pick(r, "true", "false", "null"), `"x":1`, "1:1"} {
			if r.Intn(3) == 0 && (len(part) > 5 || r.Intn(6) == 0) {
				parts = append(parts, part)
			}
		}
		return parse("{" + strings.Join(parts, ",") + "}")
	case 'J':
		return str(jsonText(r, 3))
	case 'B':
		return parse(list(r, 3, func() string { return pick(r, "true", "true", "false", "1") }))
	case 'g':
		var parts []string
		for _, node := range []string{`"a"`, `"b"`, `"c"`, `"d"`, "1"} {
			if r.Intn(4) > 0 {
				parts = append(parts, node+":"+pick(r, list(r, 3, func() string { return pick(r, `"a"`, `"b"`, `"c"`, `"d"`, `"e"`, "1") }), "null", `"a"`))
			}
		}
		return parse("{" + strings.Join(parts, ",") + "}")
	case 'V':
		part := func() string {
			return pick(r, "0", "1", "2", "10", "01", "", "9223372036854775807", "9223372036854775808", "a")
		}
		core := pick(r, "1.2.3", "1.2.3", "0.0.0", part()+"."+part()+"."+part(), "1.2", "1.2.3.4")
		tail := pick(r, "", "", "-alpha", "-alpha.1", "-1", "-01", "-a.b", "-a..b", "-", "-rc.10", "-rc.9", "-A", "-0a", "-1.a", "-99999999999999999999")
		return str(pick(r, "", "", "v", "V", " ") + core + tail + pick(r, "", "", "+b", "+b.1", "+", "+é"))
	case 'q':
		return parse("{" + strings.Join(unique(items(r, 3, func() string {
			return pick(r, `"a"`, `"b c"`, "1", `"é"`) + ":" + pick(r, `"x"`, `"x&y"`, `["b", "a"]`, `{"b", "a"}`, "[]", "1", "[1]")
		})), ",") + "}")
	case 'Q':
		return str(text(r, "ab=&&=%+;2é0 ", 8))
	case 'h':
		return str(text(r, "0123456789abcdefAFg", 6))
	case '6':
		return str(pick(r, text(r, "abcdQUJD+/-_=\n", 8), "YWI=", "YWI", "YQ==", "YQ", "YW\nI=", "", "_-8=", "w6k="))
	}
	panic("no kind " + string(kind))
}

func operation(r *rand.Rand) string {
	op := pick(r, "add", "add", "remove", "replace", "move", "copy", "test", "nope")
	parts := []string{fmt.Sprintf(`"op":%q`, op), `"path":` + pointer(r)}
	if r.Intn(8) > 0 {
		parts = append(parts, `"value":`+value(r, 1))
	}
	if op == "move" || op == "copy" {
		parts = append(parts, `"from":`+pointer(r))
	}
	if r.Intn(20) == 0 {
		parts = parts[1:]
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func items(r *rand.Rand, most int, item func() string) []string {
	parts := make([]string, r.Intn(most+1))
	for i := range parts {
		parts[i] = item()
	}
	return parts
}

// unique keeps the first field of every key.
func unique(fields []string) (kept []string) {
	seen := map[string]bool{}
	for _, field := range fields {
		key, _, _ := strings.Cut(field, ":")
		if !seen[key] {
			seen[key] = true
			kept = append(kept, field)
		}
	}
	return kept
}
