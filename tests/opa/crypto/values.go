package main

import (
	"encoding/base64"
	"fmt"
	"math/rand"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// chosen picks the same values in every run.
var chosen = rand.New(rand.NewSource(20260102))

func hashes() {
	texts := []string{
		"", "a", "abc", "message digest", "The quick brown fox jumps over the lazy dog", "é", "日本語", "\x00", "\u0000\u0001",
		strings.Repeat("a", 55), strings.Repeat("a", 56), strings.Repeat("a", 63), strings.Repeat("a", 64),
		strings.Repeat("a", 65), strings.Repeat("b", 111), strings.Repeat("b", 112), strings.Repeat("b", 127),
		strings.Repeat("b", 128), strings.Repeat("b", 129), strings.Repeat("c", 1000), "secret", "key", " ", "\n",
	}
	for i := range 16 {
		b := make([]rune, i*7)
		for j := range b {
			b[j] = rune(chosen.Intn(0x2000) + 1)
		}
		texts = append(texts, string(b))
	}
	for _, name := range []string{"crypto.md5", "crypto.sha1", "crypto.sha256"} {
		for _, text := range texts {
			ask(name, str(text))
		}
		for _, v := range odd {
			ask(name, v)
		}
	}
	for _, name := range []string{"crypto.hmac.md5", "crypto.hmac.sha1", "crypto.hmac.sha256", "crypto.hmac.sha512", "crypto.hmac.equal"} {
		for i, text := range texts {
			ask(name, str(text), str(texts[(i*7+3)%len(texts)]))
			ask(name, str("msg"), str(text))
			ask(name, str(text), str(text))
		}
		for _, v := range odd {
			ask(name, v, str("a"))
			ask(name, str("a"), v)
		}
	}
}

var cidrs = []string{
	"10.0.0.0/8", "10.1.2.3/8", "10.0.0.0/32", "10.0.0.0/31", "10.0.0.1/32", "0.0.0.0/0", "192.168.0.0/16", "192.168.1.0/24",
	"192.168.1.128/25", "172.16.0.0/12", "255.255.255.255/32", "255.255.255.254/31", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/",
	"1.2.3.4/08", "1.2.3.4/+8", "1.2.3.4/8 ", " 1.2.3.4/8", "01.2.3.4/8", "1.2.3/24", "1.2.3.4.5/24", "1.2.3.256/24", "/8", "", "a",
	"10.0.0.0", "::/0", "::/128", "::1/128", "2001:db8::/32", "2001:db8::1/64", "2001:db8:1::/48", "fe80::%eth0/64", "fe80::/10",
	"::ffff:10.0.0.0/104", "::ffff:10.0.0.0/96", "::ffff:0:0/96", "::ffff:10.1.2.3/128", "::ffff:0:0/95", "::/80", "::/96", "::10.0.0.0/104",
	"2001:DB8::/32", "2001:db8::/129", "2001:db8:::/32", "1:2:3:4:5:6:7:8/64", "1:2:3:4:5:6:7::/64", "::2:3:4:5:6:7:8/64",
	"1:2:3:4:5:6:7:8:9/64", "1::2::3/64", "12345::/16", "1:2:3:4:5:6:1.2.3.4/120", "1:2:3:4:5:6:7:1.2.3.4/120", "::1.2.3/120",
	"::01.2.3.4/120", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "1.2.3.4/8/8", "1.2.3.4/0008", "0x0a.0.0.0/8", "10.0.0.0/1e1",
	"64:ff9b::1.2.3.4/96", "::ffff:1.2.3.4/120", ":/8", "::", "1.2.3.4/ 8", "1.2.3.4/32.0", "1..3.4/8", "1.2.3.4:/8", "::g/8",
}

var addresses = []string{
	"10.0.0.1", "10.255.255.255", "11.0.0.0", "192.168.1.129", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1", "2001:db9::",
	"::ffff:10.0.0.1", "::ffff:a00:1", "::10.0.0.1", "fe80::1", "fe80::1%eth0", "01.2.3.4", "1.2.3", "", "x", "1.2.3.4 ", "2001:db8::1:",
	":1", "1:", "1.2.3.4.", "127.0.0.1", "256.1.1.1", "1:2:3:4:5:6:7:8", "::ffff:256.0.0.1",
}

func networks() {
	for _, c := range cidrs {
		ask("net.cidr_is_valid", str(c))
		for range 8 {
			other := cidrs[chosen.Intn(len(cidrs))]
			for _, name := range []string{"net.cidr_contains", "net.cidr_intersects", "net.cidr_overlap"} {
				ask(name, str(c), str(other))
			}
		}
		for _, a := range addresses {
			ask("net.cidr_contains", str(c), str(a))
		}
		ask("net.cidr_overlap", str(c), str(addresses[chosen.Intn(len(addresses))]))
		ask("net.cidr_intersects", str(c), str(c))
		ask("net.cidr_contains", str(c), str(c))
	}
	for _, v := range odd {
		ask("net.cidr_is_valid", v)
		for _, name := range []string{"net.cidr_contains", "net.cidr_intersects", "net.cidr_overlap", "net.cidr_contains_matches"} {
			ask(name, v, str("10.0.0.0/8"))
			ask(name, str("10.0.0.0/8"), v)
			ask(name, v, v)
		}
		ask("net.cidr_expand", v)
		ask("net.cidr_merge", v)
	}
	for _, c := range []string{
		"10.0.0.0/30", "10.0.0.5/29", "10.0.0.5/32", "192.168.1.0/24", "255.255.255.252/30", "2001:db8::/126", "2001:db8::f/124", "::/124",
		"::ffff:10.0.0.0/126", "::ffff:10.0.0.0/124", "10.0.0.0/33", "", "a", "10.0.0.0", "::1/128", "::ffff:0:0/120", "ff00::/120",
		"1:0:0:2::/124", "1:0:0:2:0:0:0:0/125", "0:0:1::/125", "10.0.0.1/31", "255.255.255.255/32", "127.0.0.1/28", "::fffe:ffff:fff0/124",
		"::1:0:0:0/125", "0.0.0.0/27", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124", "1.2.3.4/26", "1.2.3.4/x", "fe80::%1/124",
	} {
		ask("net.cidr_expand", str(c))
	}
	for _, c := range []string{"10.0.0.0/8", "::/0", "0.0.0.0/0", "2001:db8::/64", "10.0.0.0/12"} {
		refusedWithoutAsking("net.cidr_expand", str(c))
	}
	pick := func(from []string, n int) string {
		items := make([]string, n)
		for i := range items {
			items[i] = fmt.Sprintf("%q", from[chosen.Intn(len(from))])
		}
		return strings.Join(items, ", ")
	}
	good := cidrs[:12]
	six := []string{"::/128", "::1/128", "2001:db8::/32", "2001:db8::/33", "2001:db8:8000::/33", "2001:db8:1::/48", "fe80::/10", "2001:db9::/32", "::2/127"}
	four := []string{
		"10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24", "10.0.0.128/25", "10.0.4.0/22", "192.0.2.1", "192.0.2.0/24",
		"128.0.0.0/1", "0.0.0.0/1", "10.0.0.0/8", "11.0.0.0/8", "1.1.1.1", "224.0.0.1", "150.1.1.1", "255.255.255.255/32", "0.0.0.0/32", "10.0.0.5/24",
	}
	for i := range 80 {
		ask("net.cidr_merge", term("["+pick(four, i%9)+"]"))
		ask("net.cidr_merge", term("["+pick(six, i%7)+"]"))
		if i%3 == 0 {
			ask("net.cidr_merge", term("{"+pick(four, 2+i%5)+"}"))
			ask("net.cidr_merge", term("["+pick(append(append([]string{}, four...), six...), 1+i%6)+"]"))
		}
	}
	for _, list := range []string{
		`["a"]`, `[1]`, `["::1"]`, `["10.0.0.0/8", "x"]`, `["10.0.0.0/33"]`, `["::ffff:10.0.0.1"]`, `["1.2.3.4"]`, `["1.2.3.4", "1.2.3.5"]`, `[""]`, `["::/0"]`,
	} {
		ask("net.cidr_merge", term(list))
	}
	for _, list := range []string{`["::ffff:10.0.0.0/104"]`, `["::ffff:10.0.0.0/104", "10.0.0.0/8"]`, `["0.0.0.0/0", "::/0"]`} {
		refused("net.cidr_merge", term(list))
	}
	m := "net.cidr_contains_matches"
	ask(m, str("1.1.1.0/24"), str("1.1.1.128"))
	ask(m, term(`["1.1.2.0/24", "1.1.1.0/24"]`), str("1.1.1.128"))
	ask(m, term(`[["1.1.0.0/16", "foo"], "1.1.2.0/24"]`), term(`["1.1.1.128", ["1.1.254.254", "bar"]]`))
	ask(m, term(`{["1.1.0.0/16", "foo", 1], "1.1.2.0/24"}`), term(`{"x": "1.1.1.128", "y": ["1.1.254.254", "bar"]}`))
	ask(m, term(`["bad"]`), str("1.1.1.128"))
	ask(m, term(`["1.1.1.0/24"]`), term(`["bad"]`))
	ask(m, term(`["1.1.1.0/24"]`), term(`[]`))
	ask(m, term(`["bad"]`), term(`[]`))
	ask(m, term(`[[]]`), term(`["1.1.1.1"]`))
	ask(m, term(`[[1]]`), term(`["1.1.1.1"]`))
	ask(m, term(`[1]`), term(`["1.1.1.1"]`))
	ask(m, term(`{1: "1.1.1.0/24", [2]: "1.1.0.0/16"}`), term(`{"1.1.1.1"}`))
	for i := range 30 {
		ask(m, term("["+pick(good, 1+i%4)+"]"), term("["+pick(append(append([]string{}, good...), addresses[:6]...), 1+i%3)+"]"))
	}
}

// refusedWithoutAsking is for calls that keep OPA busy for too long.
func refusedWithoutAsking(name string, args ...ast.Value) {
	c := call{Refused: true}
	for _, arg := range args {
		c.Args = append(c.Args, encode(arg))
	}
	calls[name] = append(calls[name], c)
}

func chance() {
	for _, text := range []string{
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
		"URN:UUID:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}", "xf81d4fae-7dec-11d0-a765-00a0c91e6bf6y",
		"f81d4fae7dec11d0a76500a0c91e6bf6", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"000003e8-48b9-21ee-b200-325096b39f47", "000003e8-48b9-21ee-b201-325096b39f47", "000003e8-48b9-21ee-b202-325096b39f47",
		"000003e8-48b9-21ee-b2ff-325096b39f47", "6ba7b810-9dad-11d1-80b4-01c04fd430c8", "6ba7b810-9dad-11d1-80b4-02c04fd430c8",
		"6ba7b810-9dad-11d1-80b4-03c04fd430c8", "6ba7b810-9dad-31d1-80b4-03c04fd430c8", "6ba7b810-9dad-41d1-c0b4-03c04fd430c8",
		"6ba7b810-9dad-41d1-e0b4-03c04fd430c8", "6ba7b810-9dad-51d1-00b4-03c04fd430c8", "6ba7b810-9dad-71d1-40b4-03c04fd430c8",
		"ffffffff-ffff-1fff-ffff-ffffffffffff", "00000000-0000-1000-8000-000000000000", "", "a", "f81d4fae-7dec-11d0-a765-00a0c91e6bf",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bfg", "f81d4fae_7dec_11d0_a765_00a0c91e6bf6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6 ",
		"urn:uuid;f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "+81d4fae7dec11d0a76500a0c91e6bf6", "f81d4fae-7dec-11d0a765-000a0c91e6bf6",
		"éf81d4fae-7dec-11d0-a765-00a0c91e6bf", "13814000-1dd2-11b2-8000-000000000000", "13813fff-1dd2-11b2-8000-000000000000",
	} {
		ask("uuid.parse", str(text))
	}
	for _, v := range odd {
		ask("uuid.parse", v)
		ask("rand.intn", v, term("1"))
		if _, number := v.(ast.Number); !number {
			ask("rand.intn", str("a"), v)
		}
	}
	for _, n := range []string{"0", "1", "-1", "0.5", "1.5", "1e400"} {
		ask("rand.intn", str("a"), term(n))
		ask("rand.intn", str(""), term(n))
	}
	ask("time.now_ns")
}

var b64 = base64.RawURLEncoding.EncodeToString
