package main

import (
	"fmt"
	"io"
	"math/rand"
	"strings"

	"encoding/json"

	"github.com/open-policy-agent/opa/v1/bundle"
)

type hashed struct {
	JSON string `json:"json"`
	Hash string `json:"hash"`
}

// Documents that a reader of JSON may change on the way: numbers, escapes, the order of keys.
var documents = []string{
	`{}`, `[]`, `null`, `true`, `false`, `""`, `"a"`, ` { "a" : [ 1 , 2 ] } `, "{\"a\":1}\n",
	`0`, `-0`, `-0.0`, `0.0`, `1`, `1.0`, `1.50`, `1e3`, `1E3`, `1e+3`, `1E+03`, `1e-7`, `0.1`, `-1.5e300`, `1e400`,
	`18446744073709551615`, `18446744073709551616`, `-9223372036854775808`, `-9223372036854775809`,
	`123456789012345678901234567890.123456789012345678901234567890`, `100000000000000000000000000000000`,
	`"\u0041\/\b\f\n\r\t\"\\"`, `"\u0000\u0001\u001f\u007f\u0080"`, `"é\u00e9\u2028\u2029 "`, `"<script>&amp;</script>"`,
	`"\ud83d\ude00😀"`, `"\uffff\ufffd"`, `"` + "\u2028\u2029\u007f\u0085\ufeff" + `"`, `"\/"`, `"'"`,
	`{"b":1,"a":2,"":3,"A":4,"é":5,"😀":6,"a b":7,"10":8,"9":9}`, `{"\u0061":1}`, `{"\n":"\t","\u2028":{"<":">"}}`,
	`{"a":1,"a":2}`, `{"a":{"b":1},"a":{"c":2}}`, `[[],{},[[]],[{}],{"a":[]},{"a":{}}]`, `[null,true,false,[null]]`,
	`[1,[2,[3,[4,{"x":[5,{"y":{}}]}]]]]`, `{"roots":[""],"revision":"r"}`, `{"revision":"","roots":["a/b","c"],"metadata":{}}`,
}

// Most that is made up at random, from a fixed seed.
const random = 400

func structural(out io.Writer) error {
	hasher, err := bundle.NewSignatureHasher(bundle.SHA256)
	if err != nil {
		return err
	}
	chance := rand.New(rand.NewSource(4))
	all := documents
	for range random {
		all = append(all, document(chance, 0))
	}
	if _, err := io.WriteString(out, "["); err != nil {
		return err
	}
	for at, text := range all {
		hash, err := hashOf(hasher, "data.json", []byte(text))
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		line, err := json.Marshal(hashed{text, hash})
		if err != nil {
			return err
		}
		separator := ",\n"
		if at == 0 {
			separator = "\n"
		}
		if _, err := io.WriteString(out, separator+string(line)); err != nil {
			return err
		}
	}
	_, err = io.WriteString(out, "\n]\n")
	return err
}

func pick(chance *rand.Rand, from ...string) string {
	return from[chance.Intn(len(from))]
}

func text(chance *rand.Rand) string {
	var b strings.Builder
	for range chance.Intn(5) {
		b.WriteString(pick(chance, "a", "Z", "0", " ", "é", "😀", `\n`, `\u0007`, `\u2028`, "\u2029", `\"`, `\\`, `\/`, "<", "&", `\ud83d\ude01`, `\b`, `\f`))
	}
	return `"` + b.String() + `"`
}

func document(chance *rand.Rand, depth int) string {
	kind := chance.Intn(7)
	if depth > 3 {
		kind = chance.Intn(5)
	}
	space := pick(chance, "", "", " ", "\n\t")
	switch kind {
	case 0:
		return pick(chance, "null", "true", "false")
	case 1, 2:
		return text(chance)
	case 3, 4:
		return pick(chance, "-", "") + pick(chance, "0", "7", "10", "9007199254740993", "98765432109876543210") +
			pick(chance, "", "", ".0", ".50", ".000001") + pick(chance, "", "", "", "e0", "E5", "e-3", "e+12")
	case 5:
		var items []string
		for range chance.Intn(4) {
			items = append(items, document(chance, depth+1)+space)
		}
		return "[" + space + strings.Join(items, ",") + "]"
	}
	var items []string
	for range chance.Intn(5) {
		items = append(items, space+text(chance)+space+":"+document(chance, depth+1))
	}
	return "{" + strings.Join(items, ",") + space + "}"
}
